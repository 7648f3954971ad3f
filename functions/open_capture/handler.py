"""Edge: a custom resource of CloudFormation, complete when the Events table is captured into the log."""

import time
from typing import Any

from aws_lambda_powertools import Logger

from functions.open_capture.settings import Settings
from millrace.core.aws import client
from millrace.core.custom_resource import ANSWER_SECONDS, respond
from millrace.core.edge import Event, Handler, edge, seconds_left
from millrace.eventstore.capture import open_capture


@edge("open_capture", Settings, around=respond)
def handler(settings: Settings, log: Logger) -> Handler:
    """Opens capture on Create and Update; Delete has nothing to undo, for capture ends with the table."""

    def open_it(event: Event, context: Any) -> dict[str, str]:
        log.info("request", extra={"kind": event["RequestType"]})
        open_capture(
            client("dynamodb"),
            settings.events_table,
            settings.event_stream_arn,
            seconds_left=seconds_left(context, ANSWER_SECONDS),
            sleep=time.sleep,
        )
        return {}

    return open_it
