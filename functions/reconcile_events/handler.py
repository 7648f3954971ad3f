"""Edge: a schedule, or a person, has the stores compared."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from functions.reconcile_events.settings import Settings
from millrace.access.credentials import orgs
from millrace.contracts import registry
from millrace.core import clock
from millrace.core.aws import client
from millrace.core.log import logger
from millrace.core.metrics import emit
from millrace.iceberg import tables
from millrace.reconcile import asked, assemble, passes, report
from millrace.reconcile.results import Results
from millrace.reconcile.silver_tables import SilverTables

NAME = "reconcile_events"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Compares and repairs; answers with what was found. What stays open is a metric with an alarm, and raises nothing."""
    settings, now, dynamodb = _settings(), clock.now(), client("dynamodb")
    wanted = asked.read(event, now)
    known = registry.load()
    silver = SilverTables(tables.catalog(settings.environment, settings.lake_bucket), known)
    check = assemble.check(dynamodb, client("s3"), client("kinesis"), known, silver, settings, _log().warning)
    tenants = wanted.orgs or asked.tenants(orgs(dynamodb, settings.metadata_table), settings.bound_orgs)
    units = passes.units(tenants, wanted.windows)
    if wanted.longest_ago_first:
        units = passes.oldest_first(units, Results(dynamodb, settings.metadata_table), wanted.before)
    found = passes.run(
        check,
        units,
        now,
        lambda: context.get_remaining_time_in_millis() / 1000,
        asked.NEEDED_SECONDS,
        again=wanted.again,
        warn=_log().error,
    )
    emit(NAME, settings.environment, report.metrics(found))
    answer = found.to_json()
    _log().info("reconciled", extra={name: answer[name] for name in answer if name != "differences"})
    return answer
