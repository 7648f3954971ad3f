"""Change data capture of the Events table into the log; active before anything is sent.

The storage stack's custom resource enables it with each deployment. The emulator ignores the table's property and also
starts without a deployment, so this checks it after each start.
"""

import time
from typing import Any

from cli.local.steps import StepError
from cli.target import Target

SECONDS = 30.0
_WAY_OUT = "Run make up again; if that does not help: make reset, then make up."


def open_capture(target: Target) -> None:
    """Enables the table's Kinesis streaming destination if it is not, and waits until it is ACTIVE.

    Raises:
        StepError: it was not ACTIVE in time.
    """
    client = target.client("dynamodb")
    table, stream = target.output("EventsTable"), _stream_arn(target)
    end = time.monotonic() + SECONDS
    status = _status(client, table, stream)
    while status != "ACTIVE" and time.monotonic() < end:
        if status in ("DISABLED", "ENABLE_FAILED", ""):
            client.enable_kinesis_streaming_destination(TableName=table, StreamArn=stream)
        time.sleep(0.2)
        status = _status(client, table, stream)
    if status != "ACTIVE":
        raise StepError(f"capture of {table} is {status or 'absent'} after {SECONDS:.0f} s", way_out=_WAY_OUT)


def _stream_arn(target: Target) -> str:
    name = target.output("EventStream")
    if name.startswith("arn:"):
        return name
    described = target.client("kinesis").describe_stream_summary(StreamName=name)
    return str(described["StreamDescriptionSummary"]["StreamARN"])


def _status(client: Any, table: str, stream: str) -> str:
    answer = client.describe_kinesis_streaming_destination(TableName=table)
    for destination in answer.get("KinesisDataStreamDestinations", []):
        if destination["StreamArn"] == stream:
            return str(destination["DestinationStatus"])
    return ""
