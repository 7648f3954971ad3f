"""Opens the capture of the Events table into the log: idempotent, and complete only when it is ACTIVE."""

from collections.abc import Callable
from typing import Any

from millrace.core.aws import calling
from millrace.core.errors import MillraceError, RetryableError

POLL_SECONDS = 2.0
_ON_ITS_WAY = frozenset({"ENABLING", "UPDATING", "DISABLING"})


def open_capture(
    dynamodb: Any,
    table: str,
    stream_arn: str,
    *,
    seconds_left: Callable[[], float],
    sleep: Callable[[float], object],
) -> str:
    """Enables the table's Kinesis streaming destination unless it is, and waits until it is ACTIVE.

    Args:
        dynamodb: the low-level client.
        table: the table's name.
        stream_arn: the stream that is to carry the table's changes.
        seconds_left: how long there is still to wait.
        sleep: pauses for a number of seconds.

    Returns:
        What had to be done: `found` (it was active) or `enabled`.

    Raises:
        RetryableError: it was not active in time, or DynamoDB refused; the message says in which state it was.
    """
    done = "found"
    while True:
        status = destination_status(dynamodb, table, stream_arn)
        if status == "ACTIVE":
            return done
        if seconds_left() <= POLL_SECONDS:
            raise RetryableError(f"capture of {table} is {status} and did not become ACTIVE in time")
        if status not in _ON_ITS_WAY:
            _enable(dynamodb, table, stream_arn)
            done = "enabled"
        sleep(POLL_SECONDS)


def destination_status(dynamodb: Any, table: str, stream_arn: str) -> str:
    """The state of the table's destination in DynamoDB's words; `DISABLED` where it has none.

    Raises:
        RetryableError: DynamoDB did not answer.
    """
    with calling(f"describe capture of {table}"):
        answer = dynamodb.describe_kinesis_streaming_destination(TableName=table)
    for destination in answer.get("KinesisDataStreamDestinations", []):
        if destination["StreamArn"] == stream_arn:
            return str(destination["DestinationStatus"])
    return "DISABLED"


def _enable(dynamodb: Any, table: str, stream_arn: str) -> None:
    try:
        with calling(f"enable capture of {table}"):
            dynamodb.enable_kinesis_streaming_destination(TableName=table, StreamArn=stream_arn)
    except MillraceError as error:
        # Somebody else is enabling it, or the table is being changed: the next call shows its state.
        if error.code not in {"ResourceInUseException", "LimitExceededException"}:
            raise
