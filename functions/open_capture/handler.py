"""Edge: CloudFormation waits until the Events table is captured into the log."""

import time
from typing import Any

from aws_lambda_powertools import Logger

from functions.open_capture.settings import Settings
from millrace.core.aws import client
from millrace.core.custom_resource import ANSWER_SECONDS, respond
from millrace.core.edge import Event, Handler, edge
from millrace.eventstore.capture import open_capture


@edge("open_capture", Settings, around=respond)
def handler(settings: Settings, log: Logger) -> Handler:
    """Opens capture on Create and Update; on Delete there is nothing to undo, it goes with the table."""

    def open_it(event: Event, context: Any) -> dict[str, str]:
        log.info("request", extra={"kind": event["RequestType"]})
        open_capture(
            client("dynamodb"),
            settings.events_table,
            settings.event_stream_arn,
            seconds_left=lambda: context.get_remaining_time_in_millis() / 1000 - ANSWER_SECONDS,
            sleep=time.sleep,
        )
        return {}

    return open_it
