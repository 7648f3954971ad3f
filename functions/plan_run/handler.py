"""Edge: plans a run of the pipeline, once what was accepted before it is archived."""

from typing import Any

from aws_lambda_powertools import Logger

from functions.plan_run.settings import Settings
from millrace.core import clock
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge
from millrace.core.objects import Objects
from millrace.eventstore.backlog import ArchiveBacklog
from millrace.lake.mark import HighWater
from millrace.lake.plan import Planner
from millrace.runs import interval
from millrace.runs.store import RunStore


@edge("plan_run", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Writes the plan and answers with what the state machine maps over; or answers how many seconds to `wait` and look again.

    With `mark`, the moment at which the run began, it looks whether what was accepted by then is archived; `looks` counts how
    often it has looked.
    """
    lake = Objects(client("s3"), settings.lake_bucket)
    planner = Planner(
        client("dynamodb"),
        lake,
        client("glue"),
        environment=settings.environment,
        metadata_table=settings.metadata_table,
    )
    backlog = ArchiveBacklog(client("kinesis"), client("dynamodb"), settings)
    high_water = HighWater(backlog, settings.archive_wait_seconds)
    runs = RunStore(lake)

    def plan_run(event: Event, _: object) -> dict[str, Any]:
        reached = None
        if "mark" in event and event.get("silver", True):
            looks = event.get("looks", 0)
            seconds, reached = high_water.look(clock.parse(event["mark"]), looks)
            if reached is None:
                log.info("waits for the archive", extra={"seconds": seconds, "looks": looks})
                return {"wait": seconds, "looks": looks + 1, "batches": [], "levels": [], "merges": 0}
        plan = planner.plan(
            event["runId"],
            clock.now(),
            days=interval.days(event.get("from"), event.get("to")),
            refresh=event.get("refresh", ("hourly", "daily")),
            silver=event.get("silver", True),
            mark=reached,
        )
        runs.put_plan(plan)
        answer = {
            "runId": plan.run,
            "batches": list(range(len(plan.batches))),
            "levels": [list(level) for level in plan.levels],
            "partitions": len(plan.partitions),
            "merges": sum(day.merges for day in plan.partitions),
            "remaining": plan.remaining,
        }
        log.info("planned", extra=answer)
        return {"wait": 0, **answer}

    return plan_run
