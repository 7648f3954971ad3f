"""The gateway's access log: a batch of CloudWatch Logs as objects of the lake."""

import base64
import gzip
import json
from typing import Any

import orjson
import pytest

from millrace.audit import access_logs
from millrace.core.errors import PermanentError

# 2026-11-30T12:59:59.999Z, and a millisecond later.
LAST, NEXT = 1_796_043_599_999, 1_796_043_600_000


def batch(*lines: tuple[str, int, str], kind: str = "DATA_MESSAGE") -> dict[str, Any]:
    events = [{"id": name, "timestamp": at, "message": text} for name, at, text in lines]
    document = {"messageType": kind, "logGroup": "g", "logStream": "s", "logEvents": events}
    return {"awslogs": {"data": base64.b64encode(gzip.compress(orjson.dumps(document))).decode()}}


def read(body: bytes) -> list[Any]:
    return [json.loads(line) for line in gzip.decompress(body).splitlines()]


def test_lines_lie_by_their_hour_whole_and_in_order() -> None:
    lines = [("1", LAST, '{"status":"202"}'), ("2", NEXT, '{"status":"401"}'), ("3", NEXT, "no json")]
    found = dict(access_logs.objects(batch(*lines)))
    (first, second) = sorted(found)
    assert first.startswith("raw/logs/date=2026-11-30/hour=12/")
    assert second.startswith("raw/logs/date=2026-11-30/hour=13/")
    assert read(found[first]) == [{"status": "202"}]
    assert read(found[second]) == [{"status": "401"}, {"message": "no json"}]


def test_a_batch_that_comes_again_is_the_same_objects_and_another_one_is_not() -> None:
    lines = [("1", LAST, "{}"), ("2", LAST, "{}")]
    assert [*access_logs.objects(batch(*lines))] == [*access_logs.objects(batch(*lines))]
    ((key, _),) = access_logs.objects(batch(*lines))
    ((other, _),) = access_logs.objects(batch(("3", LAST, "{}")))
    assert key != other


def test_a_control_message_is_no_object() -> None:
    assert [*access_logs.objects(batch(("1", LAST, "are you there?"), kind="CONTROL_MESSAGE"))] == []


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"awslogs": None},
        {"awslogs": {"data": "no base64!"}},
        {"awslogs": {"data": base64.b64encode(b"no gzip").decode()}},
        {"awslogs": {"data": base64.b64encode(gzip.compress(b"no json")).decode()}},
        {"awslogs": {"data": base64.b64encode(gzip.compress(b"{}")).decode()}},
        batch(("1", "yesterday", "{}")),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_batch_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(PermanentError, match="no batch of CloudWatch Logs"):
        [*access_logs.objects(event)]


def test_a_batch_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_logs, "MOST_BYTES", 100)
    with pytest.raises(PermanentError, match="more than 100 bytes"):
        [*access_logs.objects(batch(("1", LAST, "x" * 10_000)))]
