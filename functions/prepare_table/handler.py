"""Edge: prepares a table of a run."""

from functools import partial
from typing import Any

from aws_lambda_powertools import Logger

from functions.prepare_table.settings import Settings
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge
from millrace.core.objects import Objects
from millrace.iceberg.tables import catalog, open_table
from millrace.lake.prepare_table import Preparer
from millrace.runs.store import RunStore
from millrace.warehouse import project


@edge("prepare_table", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Records what the table is to be built from and why; answers with its chunks."""
    runs = RunStore(Objects(client("s3"), settings.lake_bucket))

    def prepare(event: Event, _: object) -> dict[str, Any]:
        lake = catalog(settings.environment, settings.lake_bucket)
        preparer = Preparer(runs, partial(open_table, lake), project.load(), registry.load().tables())
        prepared = preparer.prepare(event["runId"], event["table"])
        answer = {
            "table": prepared.table,
            "status": prepared.status,
            "chunks": list(range(len(prepared.chunks))),
        }
        log.info("prepared", extra={**answer, "reason": prepared.reason, "whole": prepared.whole})
        return answer

    return prepare
