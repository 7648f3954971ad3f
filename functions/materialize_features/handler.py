"""Edge: brings the feature views of a portion of the tenants online as of a run."""

from contextlib import closing
from dataclasses import asdict
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger

from functions.materialize_features.settings import Settings
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge, seconds_left
from millrace.core.errors import PermanentError
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.features import views as feature_views
from millrace.features.materialize import Materializer
from millrace.features.online_writer import OnlineWriter
from millrace.iceberg.layout import feature_state
from millrace.lake.sources import open_views, portion, tenants
from millrace.lake.suppression import left_out
from millrace.lake.worker import connect
from millrace.privacy.suppressed import SCORING
from millrace.runs.documents import Materialized, Sources
from millrace.runs.store import RunStore
from millrace.runs.tenants import materialize_tenants

# With less than this left, no further tenant is begun.
SPARE_SECONDS = 120


@edge("materialize_features", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Writes each tenant's rows as of the pinned sources, and records each entity's result.

    Raises:
        PermanentError: the run has pinned no sources.
        RetryableError: an entity failed, or time was short; the others are complete, and a retry does the rest.
    """
    runs = RunStore(Objects(client("s3"), settings.lake_bucket))
    writer = OnlineWriter(Table(client("dynamodb"), settings.feature_store_table))
    without = left_out(settings, SCORING)
    state_path = partial(feature_state, settings.lake_bucket)

    def materialize_one(run: str, sources: Sources, org: str) -> Materialized:
        with closing(connect(settings)) as connection:
            open_views(connection, sources, org, without(org))
            materializer = Materializer(connection, feature_views.load(), writer, state_path)
            results = tuple(map(asdict, materializer.materialize(org, run, sources.at)))
        log.info("materialized", extra={"org": org, "asOf": sources.at, "entities": results})
        return Materialized(run, org, results)

    def materialize(event: Event, context: object) -> dict[str, Any]:
        run = event["runId"]
        sources = runs.sources(run)
        if sources is None:
            raise PermanentError(f"the run {run} has pinned no sources")
        orgs = portion(tenants(sources), event["portion"], event["portions"])
        one = partial(materialize_one, run, sources)
        done = materialize_tenants(runs, run, orgs, one, seconds_left(context, SPARE_SECONDS))
        return {"asOf": sources.at, "tenants": len(done)}

    return materialize
