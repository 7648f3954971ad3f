"""Edge: asks the lines that came to the audit and to the gateway's access log what Sigma rules they match, once an hour."""

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
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.sigma import line_rules
from millrace.sigma.audit_lines import AUDIT
from millrace.sigma.gateway_lines import GATEWAY
from millrace.sigma.watch_access_logs import AccessWatch
from millrace.sigma.watch_audit import AuditWatch

NAME = "watch_audit"
# Kept for the lines that are under way.
SPARE_SECONDS = 30


@edge(NAME, Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Looks at both; what could not be looked at is an error of the call, after all else was."""
    metadata = Table(client("dynamodb"), settings.metadata_table)
    raise_all = alerts(settings, log.warning).raise_all
    audit = AuditWatch(Chains(metadata), line_rules.load(AUDIT), raise_all, log.warning)
    lake = Objects(client("s3"), settings.lake_bucket)
    access = AccessWatch(lake, metadata, line_rules.load(GATEWAY), raise_all, log.warning)

    def watch(_: Event, context: Any) -> dict[str, Any]:
        left = seconds_left(context, SPARE_SECONDS)
        looked = audit.run(clock.now(), left)
        asked = access.run(clock.now(), left)
        answer = {**asdict(looked), "accessLog": asdict(asked)}
        log.info("watched", extra=answer)
        if looked.failed or asked.failed:
            raise RetryableError(
                f"{len(looked.failed)} chains of the audit were not looked at, and alerts of {len(asked.failed)} tenants were "
                "not raised of the access log"
            )
        return answer

    return watch
