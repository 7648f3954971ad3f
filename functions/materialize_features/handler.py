"""Edge: brings a tenant's feature views online as of a run."""

from contextlib import closing
from dataclasses import asdict
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger

from functions.materialize_features.settings import Settings
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge
from millrace.core.errors import PermanentError, RetryableError
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.features import views as feature_views
from millrace.features.materialize import Materializer
from millrace.features.online_writer import OnlineWriter
from millrace.iceberg.layout import feature_state
from millrace.lake.sources import open_views
from millrace.lake.worker import connect
from millrace.runs.documents import Materialized
from millrace.runs.store import RunStore


@edge("materialize_features", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Writes the tenant's rows as of the pinned sources, and records each view's result.

    Raises:
        PermanentError: the run has pinned no sources.
        RetryableError: a view failed; the others are complete, and a retry does the rest.
    """
    runs = RunStore(Objects(client("s3"), settings.lake_bucket))
    writer = OnlineWriter(Table(client("dynamodb"), settings.feature_store_table))
    state_path = partial(feature_state, settings.lake_bucket)

    def materialize(event: Event, _: object) -> dict[str, Any]:
        run, org = event["runId"], event["org"]
        sources = runs.sources(run)
        if sources is None:
            raise PermanentError(f"the run {run} has pinned no sources")
        with closing(connect(settings)) as connection:
            open_views(connection, sources, org)
            materializer = Materializer(connection, feature_views.load(), writer, state_path)
            results = materializer.materialize(org, run, sources.at)
        runs.put_materialized(Materialized(run, org, tuple(map(asdict, results))))
        failed = [one for one in results if one.status == "failed"]
        if failed:
            raise RetryableError("; ".join(f"{one.view} of {org}: {one.error}" for one in failed)[:2000])
        answer = {"org": org, "asOf": sources.at, "written": sum(one.written for one in results)}
        log.info("materialized", extra={**answer, "views": [asdict(one) for one in results]})
        return answer

    return materialize
