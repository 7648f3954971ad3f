"""Opening of capture against a table whose destination moves through DynamoDB's states."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from millrace.core.errors import PermanentError, RetryableError
from millrace.eventstore.capture import open_capture

STREAM = "arn:aws:kinesis:eu-central-1:111122223333:stream/events"
OTHER = "arn:aws:kinesis:eu-central-1:111122223333:stream/another"


class Table:
    """A table's destination: each look at it shows the next state, the last one stays."""

    def __init__(self, *states: str, enabling: Exception | None = None) -> None:
        self._states = iter(states[:-1])
        self._last = states[-1]
        self._enabling = enabling
        self.enabled = 0

    def describe_kinesis_streaming_destination(self, *, TableName: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        assert TableName == "Events"
        state = next(self._states, self._last)
        # Another stream's state must not be taken for this one's.
        found = [{"StreamArn": OTHER, "DestinationStatus": "ACTIVE"}]
        if state:
            found.append({"StreamArn": STREAM, "DestinationStatus": state})
        return {"TableName": TableName, "KinesisDataStreamDestinations": found}

    def enable_kinesis_streaming_destination(self, *, TableName: str, StreamArn: str) -> None:  # noqa: N803 - boto3's
        assert (TableName, StreamArn) == ("Events", STREAM)
        self.enabled += 1
        if self._enabling is not None:
            raise self._enabling


def _refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "EnableKinesisStreamingDestination")


def _open(table: Any, seconds: float = 60.0) -> str:
    left = [seconds]

    def sleep(pause: float) -> None:
        left[0] -= pause

    return open_capture(table, "Events", STREAM, seconds_left=lambda: left[0], sleep=sleep)


def test_an_active_destination_is_left_alone() -> None:
    table = Table("ACTIVE")
    assert _open(table) == "found"
    assert table.enabled == 0


@pytest.mark.parametrize("before", ["", "DISABLED", "ENABLE_FAILED"])
def test_a_missing_or_failed_one_is_enabled_and_awaited(before: str) -> None:
    table = Table(before, "ENABLING", "ENABLING", "ACTIVE")
    assert _open(table) == "enabled"
    assert table.enabled == 1


@pytest.mark.parametrize("before", ["ENABLING", "UPDATING"])
def test_one_on_its_way_is_awaited_only(before: str) -> None:
    table = Table(before, before, "ACTIVE")
    assert _open(table) == "found"
    assert table.enabled == 0


def test_one_that_is_being_disabled_is_enabled_once_it_is() -> None:
    table = Table("DISABLING", "DISABLING", "DISABLED", "ENABLING", "ACTIVE")
    assert _open(table) == "enabled"
    assert table.enabled == 1


@pytest.mark.parametrize("code", ["ResourceInUseException", "LimitExceededException"])
def test_losing_the_race_to_enable_is_no_failure(code: str) -> None:
    table = Table("DISABLED", "ENABLING", "ACTIVE", enabling=_refusal(code))
    assert _open(table) == "enabled"


def test_a_refusal_is_said_and_not_waited_out() -> None:
    with pytest.raises(RetryableError, match="AccessDeniedException"):
        _open(Table("DISABLED", enabling=_refusal("AccessDeniedException")))
    with pytest.raises(PermanentError, match="ValidationException"):
        _open(Table("DISABLED", enabling=_refusal("ValidationException")))


@pytest.mark.parametrize("stuck", ["ENABLING", "ENABLE_FAILED", "DISABLING"])
def test_what_never_becomes_active_ends_in_time_and_names_its_state(stuck: str) -> None:
    with pytest.raises(RetryableError, match=f"Events is {stuck} and did not become ACTIVE"):
        _open(Table(stuck), seconds=20)


def test_a_table_that_does_not_answer_raises() -> None:
    class Silent:
        def describe_kinesis_streaming_destination(self, **_: str) -> Iterator[None]:
            raise EndpointConnectionError(endpoint_url="https://dynamodb.eu-central-1.amazonaws.com")

    with pytest.raises(RetryableError, match="describe capture of Events"):
        _open(Silent())
