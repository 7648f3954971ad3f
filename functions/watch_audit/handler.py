"""Edge: asks the lines that came to the audit what Sigma rules they match, once an hour."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger

from functions.watch_audit.settings import Settings
from millrace.alerts.assemble import alerts
from millrace.audit.store import Chains
from millrace.core import clock
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge, seconds_left
from millrace.core.errors import RetryableError
from millrace.core.table import Table
from millrace.sigma.rules import load_audit
from millrace.sigma.watch_audit import AuditWatch

NAME = "watch_audit"
# Kept for the lines that are under way.
SPARE_SECONDS = 30


@edge(NAME, Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Looks; a chain that could not be looked at is an error of the call, after all others were."""
    chains = Chains(Table(client("dynamodb"), settings.metadata_table))
    watching = AuditWatch(chains, load_audit(), alerts(settings, log.warning).raise_all, log.warning)

    def watch(_: Event, context: Any) -> dict[str, Any]:
        looked = watching.run(clock.now(), seconds_left(context, SPARE_SECONDS))
        answer = asdict(looked)
        log.info("watched", extra=answer)
        if looked.failed:
            raise RetryableError(f"{len(looked.failed)} chains of the audit were not looked at")
        return answer

    return watch
