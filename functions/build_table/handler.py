"""Edge: builds a chunk of a table."""

from functools import partial
from typing import Any

from aws_lambda_powertools import Logger

from functions.build_table.settings import Settings
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge
from millrace.core.objects import Objects
from millrace.lake.build_table import TableBuilder, build_chunk, in_lake
from millrace.lake.worker import connect
from millrace.runs.store import RunStore
from millrace.warehouse import project


@edge("build_table", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Writes the chunk's files and records the result; work that failed is in the document."""
    tables, place = registry.load().tables(), in_lake(settings.lake_bucket)
    runs = RunStore(Objects(client("s3"), settings.lake_bucket))

    def build(event: Event, _: object) -> dict[str, Any]:
        made = build_chunk(
            runs,
            partial(connect, settings),
            lambda connection: TableBuilder(connection, project.load(), tables, place),
            event["runId"],
            event["table"],
            event["chunk"],
        )
        answer = {
            "table": made.table,
            "chunk": made.chunk,
            "status": "failed" if made.failures else "ok",
            "error": made.failures[0].error if made.failures else None,
        }
        log.info("made", extra={**answer, "parts": len(made.parts), "failures": len(made.failures)})
        return answer

    return build
