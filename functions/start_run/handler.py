"""Edge: starts a run, on a schedule or on request."""

from typing import Any

from aws_lambda_powertools import Logger

from functions.start_run.settings import Settings
from millrace.core import clock
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge
from millrace.core.errors import PermanentError
from millrace.runs.names import MACHINES
from millrace.runs.start import start


@edge("start_run", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Starts `machine` with `input`; `started` is false if one runs for that interval.

    Raises:
        PermanentError: there is no such machine, or its input names no interval.
    """
    arns = {
        "hourly_etl": settings.hourly_etl_machine,
        "backfill": settings.backfill_machine,
        "maintenance": settings.maintenance_machine,
        "seal_tiles": settings.seal_tiles_machine,
        "train_model": settings.train_model_machine,
    }

    def start_run(event: Event, _: object) -> dict[str, Any]:
        machine = next((known for known in MACHINES if known == event.get("machine")), None)
        if machine is None:
            raise PermanentError(f"there is no machine {event.get('machine')}")
        started = start(
            client("stepfunctions"), arns[machine], machine, event.get("input") or {}, clock.now()
        )
        answer = {"started": started.started, "runId": started.run_id}
        log.info("start", extra={"machine": machine, **answer})
        return answer

    return start_run
