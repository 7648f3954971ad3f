"""Edge: the first step of a backfill, which finds the days that remain to be done."""

from typing import Any

from aws_lambda_powertools import Logger

from functions.plan_backfill.settings import Settings
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge
from millrace.core.objects import Objects
from millrace.runs.backfill_store import plan_backfill
from millrace.runs.store import RunStore


@edge("plan_backfill", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """`{"runId","from","to"}` → the days to run, under which names, and the run over the tables behind them."""
    runs = RunStore(Objects(client("s3"), settings.lake_bucket))

    def plan(event: Event, _: object) -> dict[str, Any]:
        planned = plan_backfill(runs, str(event["runId"]), str(event["from"]), str(event["to"]))
        log.info("planned", extra={"run": planned.run, "days": len(planned.days), "done": len(planned.done)})
        return planned.answer()

    return plan
