"""Edge: the first step of a backfill, which finds the days that are still to be done."""

import os
from typing import Any

from functions.plan_backfill.settings import Settings
from millrace.core.aws import client
from millrace.core.log import logger
from millrace.runs.backfill_store import plan_backfill
from millrace.runs.store import RunStore

NAME = "plan_backfill"


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"runId","from","to"}` → the days to run, under which names, and the run over the models behind them."""
    settings = Settings.from_environment(os.environ)
    store = RunStore(client("s3"), settings.lake_bucket)
    planned = plan_backfill(store, str(event["runId"]), str(event["from"]), str(event["to"]))
    logger(NAME, settings.log_level).info(
        "planned", extra={"run": planned.run, "days": len(planned.days), "done": len(planned.done)}
    )
    return planned.answer()
