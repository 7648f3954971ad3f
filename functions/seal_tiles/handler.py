"""Edge: seals the days of tiles of a portion of the tenants, from the tables that a run has pinned."""

from contextlib import closing
from dataclasses import asdict
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger

from functions.seal_tiles.settings import Settings
from millrace.aggregates import registry
from millrace.aggregates.seal_days import Days, Done, SealDays, metrics
from millrace.core import clock
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge, seconds_left
from millrace.core.errors import PermanentError
from millrace.core.metrics import emit
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.lake.sources import files_by_day, open_day, portion, tenants
from millrace.lake.worker import connect
from millrace.reconcile.results import ResultStore
from millrace.runs.store import RunStore

NAME = "seal_tiles"
# With less than this left, no further day is begun.
SPARE_SECONDS = 120


@edge(NAME, Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Seals what is due; answers with what it did, and how many days are left for another call.

    Raises:
        PermanentError: the run has pinned no tables.
    """
    runs = RunStore(Objects(client("s3"), settings.lake_bucket))
    metadata = Table(client("dynamodb"), settings.metadata_table)
    seal_days = SealDays(
        Table(client("dynamodb"), settings.analytics_table),
        metadata,
        registry.load(),
        ResultStore(metadata).has_open,
        lambda sentence, about: log.warning(sentence, extra=dict(about)),
    )

    def seal(event: Event, context: object) -> dict[str, Any]:
        sources, done = runs.sources(event["runId"]), Done()
        if sources is None:
            raise PermanentError(f"the run {event['runId']} has pinned no tables")
        left = seconds_left(context, SPARE_SECONDS)
        for org in portion(tenants(sources), event["portion"], event["portions"]):
            with closing(connect(settings)) as connection:
                days = Days(
                    connection, files_by_day(sources, org), partial(open_day, connection, sources, org)
                )
                seal_days.of(org, days, clock.parse(sources.at), left, done)
        emit(NAME, settings.environment, metrics(done))
        log.info("sealed", extra=asdict(done))
        return asdict(done)

    return seal
