"""Edge: builds a training set."""

from contextlib import closing
from typing import Any

from aws_lambda_powertools import Logger

from functions.build_training_set.settings import Settings
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge
from millrace.core.errors import PermanentError
from millrace.core.objects import Objects
from millrace.features import views as feature_views
from millrace.lake.suppression import left_out
from millrace.lake.worker import connect
from millrace.privacy.suppressed import TRAINING
from millrace.runs.store import RunStore
from millrace.training.locations import job
from millrace.training.training_set import TrainingSetBuilder, TrainingSetRequest

LONGEST_REASON = 1000


@edge("build_training_set", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Writes the training set of a tenant; one that cannot be built is refused with the reason, which is not an error."""
    lake = Objects(client("s3"), settings.lake_bucket)
    runs, without = RunStore(lake), left_out(settings, TRAINING)

    def build(event: Event, _: object) -> dict[str, Any]:
        request = TrainingSetRequest(
            event["runId"], event["org"], event["model"], event.get("split"), event.get("data")
        )
        sources = runs.sources(request.run)
        if sources is None:
            raise PermanentError(f"the run {request.run} has pinned no sources")
        with closing(connect(settings)) as connection:
            builder = TrainingSetBuilder(
                connection, lake, feature_views.load(), registry.load().tables(), without
            )
            try:
                training_set = builder.build(request, sources)
            except PermanentError as error:
                why = str(error)
                log.warning("refused", extra={"org": request.org, "why": why})
                # It may list tenants: what a state machine carries is bounded.
                return {"status": "refused", "org": request.org, "why": why[:LONGEST_REASON]}
        answer = {
            "status": "ready",
            "org": request.org,
            "job": job(settings.environment, request.org, request.run),
            "train": training_set.train,
            "output": training_set.output,
            "trainDays": str(training_set.split.train),
            "testDays": str(training_set.split.test),
            "rows": training_set.rows,
            "frauds": training_set.frauds,
        }
        log.info("built", extra=answer)
        return answer

    return build
