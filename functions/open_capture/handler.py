"""Edge: CloudFormation waits until the Events table is captured into the log."""

import os
import time
from typing import Any

from functions.open_capture.settings import Settings
from millrace.core.aws import client
from millrace.core.custom_resource import ANSWER_SECONDS, respond
from millrace.core.log import logger
from millrace.eventstore.capture import open_capture


def handler(event: dict[str, Any], context: Any) -> None:
    """Opens capture on Create and Update; on Delete there is nothing to undo, it goes with the table."""
    logger("open_capture").info("request", extra={"kind": event["RequestType"]})
    respond(event, lambda: _open(context))


def _open(context: Any) -> dict[str, str]:
    settings = Settings.from_environment(os.environ)
    open_capture(
        client("dynamodb"),
        settings.events_table,
        settings.event_stream_arn,
        seconds_left=lambda: context.get_remaining_time_in_millis() / 1000 - ANSWER_SECONDS,
        sleep=time.sleep,
    )
    return {}
