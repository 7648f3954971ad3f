"""Edge: the clock, or someone in its place, asks for a run."""

import os
from typing import Any

from functions.start_run.settings import Settings
from millrace.core import clock
from millrace.core.aws import client
from millrace.core.errors import PermanentError
from millrace.core.log import logger
from millrace.runs.names import MACHINES
from millrace.runs.start import start

NAME = "start_run"


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Starts `machine` with `input`; `started` is false where one runs for that interval.

    Raises:
        PermanentError: there is no such machine, or its input names no interval.
    """
    settings = Settings.from_environment(os.environ)
    machine = next((known for known in MACHINES if known == event.get("machine")), None)
    if machine is None:
        raise PermanentError(f"there is no machine {event.get('machine')}")
    arns = {
        "hourly_etl": settings.hourly_etl_machine,
        "backfill": settings.backfill_machine,
        "maintenance": settings.maintenance_machine,
        "train_model": settings.train_model_machine,
    }
    started = start(client("stepfunctions"), arns[machine], machine, event.get("input") or {}, clock.now())
    answer = {"started": started.started, "runId": started.run_id}
    logger(NAME, settings.log_level).info("asked", extra={"machine": machine, **answer})
    return answer
