"""Edge: the tables that feature views read, to be pinned for a run."""

import os
from functools import cache, partial
from typing import Any

from aws_lambda_powertools import Logger

from functions.pin_sources.settings import Settings
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.log import logger
from millrace.features import views as feature_views
from millrace.iceberg.tables import catalog, open_table
from millrace.lake import sources
from millrace.runs.store import RunStore

NAME = "pin_sources"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Keeps which snapshots the run reads; answers with the tenants that have rows in them."""
    settings = _settings()
    lake = catalog(settings.environment, settings.lake_bucket)
    store = RunStore(client("s3"), settings.lake_bucket)
    pinner = sources.Pinner(store, partial(open_table, lake), registry.load().tables())
    pinned = pinner.pin(event["runId"], event.get("tables") or feature_views.load().sources())
    answer = {"orgs": list(sources.tenants(pinned))}
    _log().info(
        "pinned",
        extra={**answer, "at": pinned.at, "snapshots": {one.table: one.snapshot for one in pinned.inputs}},
    )
    return answer
