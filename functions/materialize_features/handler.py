"""Edge: brings a tenant's feature views online as of a run."""

import os
from contextlib import closing
from dataclasses import asdict
from functools import cache, partial
from typing import Any

from aws_lambda_powertools import Logger

from functions.materialize_features.settings import Settings
from millrace.core.aws import client
from millrace.core.errors import PermanentError, RetryableError
from millrace.core.log import logger
from millrace.core.table import Table
from millrace.features import views as feature_views
from millrace.features.materialize import Materializer
from millrace.features.online_writer import OnlineWriter
from millrace.iceberg.layout import feature_state
from millrace.lake.sources import open_views
from millrace.lake.worker import connect
from millrace.runs.documents import Materialized
from millrace.runs.store import RunStore

NAME = "materialize_features"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Writes the tenant's rows as of the pinned sources, and records each view's result.

    Raises:
        PermanentError: the run has pinned no sources.
        RetryableError: a view failed; the others are complete, and a retry does the rest.
    """
    settings, run, org = _settings(), event["runId"], event["org"]
    store = RunStore(client("s3"), settings.lake_bucket)
    sources = store.sources(run)
    if sources is None:
        raise PermanentError(f"the run {run} has pinned no sources")
    writer = OnlineWriter(Table(client("dynamodb"), settings.feature_store_table))
    with closing(connect(settings)) as connection:
        open_views(connection, sources, org)
        state_path = partial(feature_state, settings.lake_bucket)
        results = Materializer(connection, feature_views.load(), writer, state_path).materialize(
            org, run, sources.at
        )
    store.put_materialized(Materialized(run, org, tuple(map(asdict, results))))
    failed = [one for one in results if one.status == "failed"]
    if failed:
        raise RetryableError("; ".join(f"{one.view} of {org}: {one.error}" for one in failed)[:2000])
    answer = {"org": org, "asOf": sources.at, "written": sum(one.written for one in results)}
    _log().info("materialized", extra={**answer, "views": [asdict(one) for one in results]})
    return answer
