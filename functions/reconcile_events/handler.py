"""Edge: compares the stores, on a schedule or on request."""

from typing import Any

from aws_lambda_powertools import Logger

from functions.reconcile_events.settings import Settings
from millrace.contracts import registry
from millrace.core import clock
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge, seconds_left
from millrace.core.metrics import emit
from millrace.iceberg import tables
from millrace.reconcile import passes
from millrace.reconcile.stores import SilverTables

NAME = "reconcile_events"


@edge(NAME, Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Compares and repairs; answers with the report. A difference that stays open raises an alarm by its metric, not an error."""
    contracts, dynamodb = registry.load(), client("dynamodb")
    s3, kinesis = client("s3"), client("kinesis")

    def reconcile(event: Event, context: Any) -> dict[str, Any]:
        silver = SilverTables(tables.catalog(settings.environment, settings.lake_bucket), contracts)
        check = passes.day_check(dynamodb, s3, kinesis, contracts, silver, settings, log.warning)
        report = passes.reconcile(
            event,
            clock.now(),
            check,
            dynamodb,
            settings,
            seconds_left=seconds_left(context),
            warn=log.error,
        )
        emit(NAME, settings.environment, report.metrics())
        answer = report.to_json()
        log.info("reconciled", extra={name: answer[name] for name in answer if name != "differences"})
        return answer

    return reconcile
