"""Edge: fraud decisions that are asked for."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from functions.predict.settings import Settings
from millrace.api.fraud import PredictApi
from millrace.api.router import Router
from millrace.contracts import registry
from millrace.core.aws import Lazy, client
from millrace.core.log import logger
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.fraud import rulebook
from millrace.fraud.predict import Predictor
from millrace.fraud.store import UserSetStore
from millrace.model_registry.files import ArtifactFiles
from millrace.model_registry.store import ModelStore
from millrace.scoring.champions import Champions
from millrace.scoring.registered import RegisteredChampions


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger("predict", _settings().log_level)


@cache
def _router() -> Router:
    settings, contracts = _settings(), registry.load()
    # Short pauses: a decision has a budget of milliseconds.
    features = Table(client("dynamodb"), settings.feature_store_table, attempts=4, first_pause_seconds=0.02)
    source = RegisteredChampions(
        ModelStore(Table(client("dynamodb"), settings.models_table)),
        ArtifactFiles(Objects(Lazy("s3"), settings.lake_bucket)),
        features,
    )
    predictor = Predictor(
        UserSetStore(features),
        rulebook.load(),
        features_budget_ms=settings.features_budget_ms,
        champions=Champions(source, _log().warning),
        model_budget_ms=settings.model_budget_ms,
    )
    api = PredictApi(predictor, contracts)
    answers = {"POST /v1/predict": api.one, "POST /v1/predict/batch": api.batch}
    return Router(answers, contracts.openapi(), _log().warning)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answers one call."""
    _log().info("call", extra={"route": event.get("routeKey")})
    return _router()(event)
