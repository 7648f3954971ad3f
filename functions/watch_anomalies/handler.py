"""Edge: looks for anomalies in the series of every tenant, on a schedule."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger

from functions.watch_anomalies.settings import Settings
from millrace.access.tenants import orgs
from millrace.anomalies.assemble import watcher
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge, seconds_left
from millrace.core.metrics import emit
from millrace.core.table import Table

NAME = "watch_anomalies"
# Kept for the tenant that is under way.
SPARE_SECONDS = 20


@edge(NAME, Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Watches; what fails or is left is judged the next time."""
    watching = watcher(settings, log.warning)
    metadata = Table(client("dynamodb"), settings.metadata_table)

    def watch(_: Event, context: Any) -> dict[str, Any]:
        watched = watching.run(orgs(metadata), seconds_left(context, SPARE_SECONDS))
        emit(NAME, settings.environment, watched.metrics())
        log.info("watched", extra=asdict(watched))
        return asdict(watched)

    return watch
