"""Edge: registers the models of a training."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from functions.register_models.settings import Settings
from millrace.core.aws import client
from millrace.core.log import logger
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.model_registry import tracking
from millrace.model_registry.files import ArtifactFiles
from millrace.model_registry.package import unpack
from millrace.model_registry.register import Registrar, best
from millrace.model_registry.store import ModelStore
from millrace.training.locations import key_of

NAME = "register_models"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


@cache
def _registrar() -> Registrar:
    settings = _settings()
    return Registrar(
        ModelStore(Table(client("dynamodb"), settings.models_table)),
        ArtifactFiles(Objects(client("s3"), settings.lake_bucket)),
        tracking.tracker(settings.tracking_uri, settings.environment),
    )


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Registers the models of a run; a retry finds the same versions."""
    org, model, run = event["org"], event["model"], event["runId"]
    bucket = _settings().lake_bucket
    content = Objects(client("s3"), bucket).get(key_of(event["artifact"], bucket))
    registered = _registrar().register(unpack(content, org=org, model=model, run=run))
    chosen = best(registered)
    answer = {
        "runId": run,
        "org": org,
        "models": [one.to_json() for one in registered],
        "best": chosen.version if chosen else None,
    }
    _log().info("registered", extra=answer)
    return answer
