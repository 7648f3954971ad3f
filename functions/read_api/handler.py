"""Edge: every read of the HTTP API."""

import os
from functools import cache
from typing import Any

from functions.read_api.settings import Settings
from millrace.api.reads import reads
from millrace.api.router import Router
from millrace.core.aws import client
from millrace.core.log import logger


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


@cache
def _router() -> Router:
    settings = _settings()
    return reads(
        client("dynamodb"),
        client("s3"),
        environment=settings.environment,
        events_table=settings.events_table,
        user_events_table=settings.user_events_table,
        metadata_table=settings.metadata_table,
        feature_store_table=settings.feature_store_table,
        lake_bucket=settings.lake_bucket,
        log=logger("read_api", settings.log_level).warning,
    )


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answers one call."""
    logger("read_api", _settings().log_level).info("call", extra={"route": event.get("routeKey")})
    return _router()(event)
