"""Edge: a schedule sends a canary down every path, and reports how long each took."""

import time
from typing import Any
from uuid import uuid4

from aws_lambda_powertools import Logger

from functions.send_canary.settings import Settings
from millrace.canary import report
from millrace.canary.assemble import journey
from millrace.canary.events import canary_events
from millrace.core import clock
from millrace.core.aws import client
from millrace.core.edge import Event, Handler, edge
from millrace.core.metrics import emit
from millrace.core.table import Table

NAME = "send_canary"


@edge(NAME, Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Sends, waits and reports. A path that fails is a metric with an alarm; only a fault of the canary itself raises."""

    def send(_: Event, __: object) -> dict[str, Any]:
        at = clock.now()
        travelling = journey(
            Table(client("dynamodb"), settings.metadata_table),
            client("events"),
            api_url=settings.api_url,
            event_bus=settings.event_bus,
            seconds=settings.wait_seconds,
            timer=time.monotonic,
            sleep=time.sleep,
        )
        checks = travelling.travel(canary_events(f"canary-{at:%Y%m%dT%H%M%SZ}", at, lambda: str(uuid4())), at)
        emit(NAME, settings.environment, report.metrics(checks, each_path=settings.each_path))
        answer = {"checks": [check.to_json() for check in checks]}
        log.info("canary", extra=answer)
        return answer

    return send
