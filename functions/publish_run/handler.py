"""Edge: the end of a run: catalog, lineage, results, receipts."""

from typing import Any

from aws_lambda_powertools import Logger

from functions.publish_run.settings import Settings
from millrace.catalog import assemble
from millrace.catalog.publish import metrics
from millrace.core.edge import Event, Handler, edge
from millrace.core.metrics import emit

NAME = "publish_run"


@edge(NAME, Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Publishes a run; raises if a store fails, and a retry publishes the same."""
    publisher = assemble.publisher(settings, log.warning)

    def publish(event: Event, _: object) -> dict[str, Any]:
        summary = publisher.publish(event["runId"], event.get("unpinned", ""))
        emit(NAME, settings.environment, metrics(summary))
        failures = summary.failures[:20]
        log.info("run", extra={"run": summary.run, "status": summary.status, "failures": failures})
        return {"runId": summary.run, "status": summary.status}

    return publish
