"""Edge: a batch of tenant-days, from raw to the files of silver."""

import os
from functools import cache, partial
from typing import Any

from aws_lambda_powertools import Logger

from functions.transform_partitions.settings import Settings
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.log import logger
from millrace.lake.raw_to_silver import NAME, Transform
from millrace.lake.silver_batch import run_batch, tables
from millrace.lake.worker import connect
from millrace.runs.store import RunStore


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Makes a batch of the plan; answers with the tables it has files for, and what could not be done."""
    bucket = _settings().lake_bucket
    store, transform = (
        RunStore(client("s3"), bucket),
        Transform(partial(connect, _settings()), registry.load(), bucket),
    )
    made = run_batch(store, transform, event["runId"], event["batch"])
    failed = [{"org": part.org, "day": part.day, "error": part.error} for part in made.failures]
    _log().info("transformed", extra={"batch": made.batch, "parts": len(made.parts), "failed": failed})
    return {"tables": list(tables(made)), "failed": failed}
