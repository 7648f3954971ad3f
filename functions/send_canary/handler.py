"""Edge: a schedule sends a canary down every path, and tells how long each took."""

import os
import time
from functools import cache
from typing import Any
from uuid import uuid4

from aws_lambda_powertools import Logger

from functions.send_canary.settings import Settings
from millrace.canary import report
from millrace.canary.assemble import journey
from millrace.canary.events import flock
from millrace.core import clock
from millrace.core.aws import client
from millrace.core.log import logger
from millrace.core.metrics import emit

NAME = "send_canary"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Sends, waits and tells. A path that fails is a metric with an alarm; only what cannot be told raises."""
    settings, at = _settings(), clock.now()
    travelling = journey(
        client("dynamodb"),
        client("events"),
        api_url=settings.api_url,
        event_bus=settings.event_bus,
        metadata_table=settings.metadata_table,
        seconds=settings.wait_seconds,
        timer=time.monotonic,
        sleep=time.sleep,
    )
    checks = travelling.travel(flock(f"canary-{at:%Y%m%dT%H%M%SZ}", at, lambda: str(uuid4())), at)
    emit(NAME, settings.environment, report.metrics(checks, each_path=settings.each_path))
    said = [check.to_json() for check in checks]
    _log().info("canary", extra={"checks": said})
    return {"checks": said}
