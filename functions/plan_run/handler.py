"""Edge: plans a run of the pipeline."""

from typing import Any

from aws_lambda_powertools import Logger

from functions.plan_run.settings import Settings
from millrace.core import clock
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge
from millrace.core.objects import Objects
from millrace.lake.plan import Planner
from millrace.runs import interval
from millrace.runs.store import RunStore


@edge("plan_run", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Writes the plan; answers with what the state machine maps over."""
    lake = Objects(client("s3"), settings.lake_bucket)
    planner = Planner(
        client("dynamodb"),
        lake,
        client("glue"),
        environment=settings.environment,
        metadata_table=settings.metadata_table,
    )
    runs = RunStore(lake)

    def plan_run(event: Event, _: object) -> dict[str, Any]:
        plan = planner.plan(
            event["runId"],
            clock.now(),
            days=interval.days(event.get("from"), event.get("to")),
            refresh=event.get("refresh", ("hourly", "daily")),
            silver=event.get("silver", True),
        )
        runs.put_plan(plan)
        answer = {
            "runId": plan.run,
            "batches": list(range(len(plan.batches))),
            "levels": [list(level) for level in plan.levels],
            "partitions": len(plan.partitions),
            "remaining": plan.remaining,
        }
        log.info("planned", extra=answer)
        return answer

    return plan_run
