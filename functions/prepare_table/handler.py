"""Edge: a table of a run, to be prepared."""

import os
from functools import cache, partial
from typing import Any

from aws_lambda_powertools import Logger

from functions.prepare_table.settings import Settings
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.log import logger
from millrace.iceberg.tables import catalog, open_table
from millrace.lake.prepare_table import Preparer
from millrace.runs.store import RunStore
from millrace.warehouse import project

NAME = "prepare_table"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Keeps what the table is to be built of and for; answers with its chunks."""
    settings = _settings()
    lake = catalog(settings.environment, settings.lake_bucket)
    store = RunStore(client("s3"), settings.lake_bucket)
    preparer = Preparer(store, partial(open_table, lake), project.load(), registry.load().tables())
    prepared = preparer.prepare(event["runId"], event["table"])
    answer = {
        "table": prepared.table,
        "status": prepared.status,
        "chunks": list(range(len(prepared.chunks))),
    }
    _log().info("prepared", extra={**answer, "reason": prepared.reason, "whole": prepared.whole})
    return answer
