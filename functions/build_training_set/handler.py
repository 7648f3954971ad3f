"""Edge: a training set, to be built."""

import os
from contextlib import closing
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from functions.build_training_set.settings import Settings
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.errors import PermanentError
from millrace.core.log import logger
from millrace.features import registry as features
from millrace.lake.worker import connect
from millrace.runs.store import RunStore
from millrace.training.locations import Channel, job
from millrace.training.training_set import Asked, TrainingSets

NAME = "build_training_set"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Writes the training set of a tenant; one that cannot be built is refused with the reason, and is no error."""
    settings = _settings()
    asked = Asked(event["runId"], event["org"], event["model"], event.get("split"), event.get("data"))
    s3 = client("s3")
    sources = RunStore(s3, settings.lake_bucket).sources(asked.run)
    if sources is None:
        raise PermanentError(f"the run {asked.run} has pinned no sources")
    with closing(connect(settings)) as connection:
        sets = TrainingSets(
            connection, Channel(s3, settings.lake_bucket), features.load(), registry.load().tables()
        )
        try:
            built = sets.build(asked, sources)
        except PermanentError as error:
            _log().warning("refused", extra={"org": asked.org, "why": str(error)})
            return {"status": "refused", "org": asked.org, "why": str(error)}
    answer = {
        "status": "ready",
        "org": asked.org,
        "job": job(settings.environment, asked.org, asked.run),
        "train": built.train,
        "output": built.output,
        "trainDays": str(built.split.train),
        "testDays": str(built.split.test),
        "rows": built.rows,
        "frauds": built.frauds,
    }
    _log().info("built", extra=answer)
    return answer
