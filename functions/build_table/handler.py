"""Edge: a chunk of a table, to be built."""

import os
from functools import cache, partial
from typing import Any

from aws_lambda_powertools import Logger

from functions.build_table.settings import Settings
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.log import logger
from millrace.lake.build_table import TableBuilder, build_chunk, in_lake
from millrace.lake.worker import connect
from millrace.runs.store import RunStore
from millrace.warehouse import project

NAME = "build_table"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Writes the chunk's files and keeps what came of it; a work that failed is in the document."""
    settings = _settings()
    tables, place = registry.load().tables(), in_lake(settings.lake_bucket)
    made = build_chunk(
        RunStore(client("s3"), settings.lake_bucket),
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
    _log().info("made", extra={**answer, "parts": len(made.parts), "failures": len(made.failures)})
    return answer
