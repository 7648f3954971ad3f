"""Edge: trains on a training set. Only on a laptop: on AWS the same job runs in SageMaker."""

import os
from functools import cache, partial
from typing import Any

from aws_lambda_powertools import Logger

from functions.train_model.settings import Settings
from millrace.core.aws import client
from millrace.core.log import logger
from millrace.core.objects import Objects
from millrace.training.local_training import LocalTraining, run_job

NAME = "train_model"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


@cache
def _training() -> LocalTraining:
    settings = _settings()
    libraries = settings.libraries.split(os.pathsep)
    job = partial(run_job, seconds=settings.seconds, jobs=settings.jobs, libraries=libraries)
    return LocalTraining(Objects(client("s3"), settings.lake_bucket), job)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Trains, and answers with the URL of the archive."""
    run, org = event["runId"], event["org"]
    artifact, lines = _training().train(run, org)
    answer = {"runId": run, "org": org, "artifact": artifact}
    _log().info("trained", extra={**answer, "log": list(lines)})
    return answer
