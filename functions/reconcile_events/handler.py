"""Edge: a schedule, or a person, has the stores compared."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from functions.reconcile_events.settings import Settings
from millrace.contracts import registry
from millrace.core import clock
from millrace.core.aws import client
from millrace.core.log import logger
from millrace.core.metrics import emit
from millrace.iceberg import tables
from millrace.reconcile import passes
from millrace.reconcile.stores import SilverTables

NAME = "reconcile_events"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Compares and repairs; answers with what it found. What stays open is a metric with an alarm, and raises nothing."""
    settings, now, dynamodb = _settings(), clock.now(), client("dynamodb")
    contracts = registry.load()
    silver = SilverTables(tables.catalog(settings.environment, settings.lake_bucket), contracts)
    check = passes.day_check(
        dynamodb, client("s3"), client("kinesis"), contracts, silver, settings, _log().warning
    )
    report = passes.reconcile(
        event,
        now,
        check,
        dynamodb,
        settings,
        seconds_left=lambda: context.get_remaining_time_in_millis() / 1000,
        warn=_log().error,
    )
    emit(NAME, settings.environment, report.metrics())
    answer = report.to_json()
    _log().info("reconciled", extra={name: answer[name] for name in answer if name != "differences"})
    return answer
