"""Change data capture of the Events table into the log, awaited before anything is sent.

The custom resource of the storage stack enables it with each deploy. The emulator ignores the property of the table
and is started without a deploy as well, so this asks again after each start.
"""

import time
from typing import Any

from cli.local.steps import StepError
from cli.target import Target

SECONDS = 30.0
_WAY_OUT = "Run make up again; if it stays so: make reset, then make up."


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
    found = client.describe_kinesis_streaming_destination(TableName=table)
    for destination in found.get("KinesisDataStreamDestinations", []):
        if destination["StreamArn"] == stream:
            return str(destination["DestinationStatus"])
    return ""
