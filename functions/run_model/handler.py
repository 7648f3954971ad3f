"""Edge: a chunk of a model, to be made."""

import os
from contextlib import closing
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.log import logger
from millrace.lake.models import ModelRunner, in_lake
from millrace.lake.run_store import RunStore
from millrace.lake.worker import connect
from millrace.warehouse import project
from settings import Settings

NAME = "run_model"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Writes the chunk's files and keeps what came of it; a work that failed is in the document."""
    settings = _settings()
    store = RunStore(client("s3"), settings.lake_bucket)
    prepared = store.prepared(event["runId"], event["model"])
    with closing(connect(settings)) as connection:
        runner = ModelRunner(
            connection, project.load(), registry.load().tables(), in_lake(settings.lake_bucket)
        )
        made = runner.run(prepared, event["chunk"])
    store.put_chunk(made)
    answer = {
        "model": made.model,
        "chunk": made.chunk,
        "status": "failed" if made.failures else "ok",
        "error": made.failures[0].error if made.failures else None,
    }
    _log().info("made", extra={**answer, "parts": len(made.parts), "failures": len(made.failures)})
    return answer
