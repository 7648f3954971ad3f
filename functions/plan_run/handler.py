"""Edge: a run of the pipeline, to be planned."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger

from functions.plan_run.settings import Settings
from millrace.core import clock
from millrace.core.aws import client
from millrace.core.log import logger
from millrace.lake.plan import Planner
from millrace.runs import interval
from millrace.runs.store import RunStore

NAME = "plan_run"


@cache
def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _log() -> Logger:
    return logger(NAME, _settings().log_level)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Keeps the plan; answers with what the state machine maps over."""
    settings = _settings()
    s3 = client("s3")
    planner = Planner(
        client("dynamodb"),
        s3,
        client("glue"),
        environment=settings.environment,
        bucket=settings.lake_bucket,
        metadata_table=settings.metadata_table,
    )
    plan = planner.plan(
        event["runId"],
        clock.now(),
        days=interval.days(event.get("from"), event.get("to")),
        refresh=event.get("refresh", ("hourly", "daily")),
        silver=event.get("silver", True),
    )
    RunStore(s3, settings.lake_bucket).put_plan(plan)
    answer = {
        "runId": plan.run,
        "batches": list(range(len(plan.batches))),
        "levels": [list(level) for level in plan.levels],
        "partitions": len(plan.partitions),
        "remaining": plan.remaining,
    }
    _log().info("planned", extra=answer)
    return answer
