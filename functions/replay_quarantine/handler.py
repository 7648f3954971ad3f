"""Edge: refused events replayed or discarded."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from functions.replay_quarantine.settings import Settings
from millrace.api.repairs import RepairsApi
from millrace.api.router import Router
from millrace.contracts import registry
from millrace.core.log import logger
from millrace.intake.assemble import intake, quarantine
from millrace.intake.replay import Replayer


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger("replay_quarantine", _settings().log_level)


@cache
def _router() -> Router:
    store = quarantine(_settings())
    repairs = RepairsApi(Replayer(intake(_settings(), _log().warning), store), store)
    answers = {"POST /v1/quarantine/replay": repairs.replay, "POST /v1/quarantine/discard": repairs.discard}
    return Router(answers, registry.load().openapi(), _log().warning)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answers one call."""
    _log().info("call", extra={"route": event.get("routeKey")})
    return _router()(event)
