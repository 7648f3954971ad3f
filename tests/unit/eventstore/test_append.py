"""Rows put in parallel: each answered in its place, never more under way than the bound."""

import threading
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from millrace.core import limits
from millrace.core.table import Table
from millrace.eventstore.append import AppendResult, TableAppender


class Client:
    """DynamoDB's conditional put; what an id ends with says how it goes."""

    def __init__(self, seconds: float = 0) -> None:
        self.seconds, self.puts, self.under_way, self.most = seconds, 0, 0, 0
        self.lock = threading.Lock()

    def put_item(self, **call: Any) -> dict[str, Any]:
        assert call["ConditionExpression"] == "attribute_not_exists(eventId)"
        with self.lock:
            self.puts += 1
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        time.sleep(self.seconds)
        with self.lock:
            self.under_way -= 1
        match call["Item"]["eventId"]["S"].rpartition("-")[2]:
            case "other":
                raise _error("ConditionalCheckFailedException", Item=_row("x-other", b"another"))
            case "same":
                raise _error("ConditionalCheckFailedException", Item=_row("x-same", b"print"))
            case "throttled":
                raise _error("ThrottlingException")
            case "away":
                raise EndpointConnectionError(endpoint_url="https://dynamodb")
            case "strange":
                raise RuntimeError("a fault of ours")
        return {}


def _error(code: str, **more: Any) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}, **more}, "PutItem")


def _row(key: str, fingerprint: bytes = b"print", request: str = "earlier") -> dict[str, dict[str, Any]]:
    return {"eventId": {"S": key}, "fingerprint": {"B": fingerprint}, "requestId": {"S": request}}


def _rows(*endings: str) -> list[dict[str, dict[str, Any]]]:
    return [_row(f"{number}-{ending}", request="now") for number, ending in enumerate(endings)]


@pytest.mark.parametrize("count", [1, 2, limits.IN_FLIGHT, limits.IN_FLIGHT + 1, 500])
def test_each_row_is_put_once_and_answered_in_its_place(count: int) -> None:
    client = Client()
    wanted = {
        "new": AppendResult.ACCEPTED,
        "other": AppendResult.CONFLICT,
        "same": AppendResult.DUPLICATE,
        "throttled": AppendResult.UNAVAILABLE,
        "away": AppendResult.UNAVAILABLE,
    }
    endings = [list(wanted)[number * 7 % 5] for number in range(count)]
    assert TableAppender(Table(client, "Events")).append(_rows(*endings)) == [
        wanted[ending] for ending in endings
    ]
    assert client.puts == count


def test_puts_overlap_up_to_the_bound() -> None:
    client = Client(seconds=0.005)
    appender = TableAppender(Table(client, "Events"))
    for _ in range(2):
        appender.append(_rows(*["new"] * 200))
    assert limits.IN_FLIGHT // 2 < client.most <= limits.IN_FLIGHT


def test_what_time_does_not_suffice_for_is_unavailable_and_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "APPEND_SECONDS", 0.05)
    client = Client(seconds=0.05)
    outcomes = TableAppender(Table(client, "Events")).append(_rows(*["new"] * 500))
    assert outcomes.count(AppendResult.ACCEPTED) == client.puts <= limits.IN_FLIGHT
    assert outcomes.count(AppendResult.UNAVAILABLE) == 500 - client.puts


def test_a_fault_of_ours_is_raised_after_the_other_rows_are_put() -> None:
    client = Client()
    with pytest.raises(RuntimeError, match="a fault of ours"):
        TableAppender(Table(client, "Events")).append(_rows("new", "strange", *["new"] * 60))
    assert client.puts == 62
