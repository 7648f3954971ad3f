"""Edge: CloudFormation waits until the Events table is captured into the log."""

import json
import os
import time
import urllib.request
from typing import Any

from millrace.core.aws import client
from millrace.core.log import logger
from millrace.eventstore.capture import open_capture
from settings import Settings

# What is left of the invocation for the answer itself.
ANSWER_SECONDS = 15.0


def handler(event: dict[str, Any], context: Any) -> None:
    """Opens capture on Create and Update; on Delete there is nothing to undo, it goes with the table."""
    logger("open_capture").info("request", extra={"kind": event["RequestType"]})
    try:
        if event["RequestType"] != "Delete":
            _open(context)
    except Exception as error:  # noqa: BLE001 - without an answer CloudFormation waits until its own time is up
        _answer(event, "FAILED", f"{type(error).__name__}: {error}")
    else:
        _answer(event, "SUCCESS", "")


def _open(context: Any) -> None:
    settings = Settings.from_environment(os.environ)
    open_capture(
        client("dynamodb"),
        settings.events_table,
        settings.event_stream_arn,
        seconds_left=lambda: context.get_remaining_time_in_millis() / 1000 - ANSWER_SECONDS,
        sleep=time.sleep,
    )


def _answer(event: dict[str, Any], status: str, reason: str) -> None:
    answer = {
        "Status": status,
        "Reason": reason,
        # The same for every request, so that an update replaces nothing.
        "PhysicalResourceId": event.get("PhysicalResourceId", event["LogicalResourceId"]),
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    # The signature of the address covers an empty content type.
    request = urllib.request.Request(  # noqa: S310 - the address is CloudFormation's own
        event["ResponseURL"], data=json.dumps(answer).encode(), method="PUT", headers={"content-type": ""}
    )
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS):  # noqa: S310
        pass
