"""Edge: a contract checked against those in force, before anyone deploys it."""

import os
from functools import cache
from typing import Any

from functions.check_schema.settings import Settings
from millrace.api.check import CheckApi
from millrace.api.router import Router
from millrace.contracts import registry
from millrace.core.log import logger

NAME = "check_schema"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


@cache
def _router() -> Router:
    contracts = registry.load()
    answers = {"POST /v1/schemas/check": CheckApi(contracts).check}
    return Router(answers, contracts.openapi(), logger(NAME, _settings().log_level).warning)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answers one call."""
    logger(NAME, _settings().log_level).info("call", extra={"route": event.get("routeKey")})
    return _router()(event)
