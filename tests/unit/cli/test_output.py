"""JSON as scripts read it: exact numbers, UTC times, one document on the last line; tables as people read them."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest

from cli import output, repairs
from cli.api import Api
from cli.commands import anonymised, erase, holds, keys, models, pending, quarantine, users
from cli.commands import query as query_command
from cli.commands import trace as trace_command
from cli.output import counted, fitted, print_json
from cli.target import Target
from millrace.access.credentials import ALL_SCOPES
from millrace.access.keys import KeyRecord
from millrace.core.plain import plain
from millrace.eventstore.failed_days import FailedDay, Reason
from millrace.people import certificate


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("123456789012345678.1234"), b"123456789012345678.1234"),
        (Decimal("1E+3"), b"1000"),
        (Decimal("NaN"), b"null"),
        (2**127 - 1, b"170141183460469231731687303715884105727"),
        (float("inf"), b"null"),
        (
            datetime(2026, 11, 21, 5, 54, 16, 123000),  # noqa: DTZ001  as DuckDB hands out a TIMESTAMP
            b'"2026-11-21T05:54:16.123Z"',
        ),
        (datetime(2026, 11, 21, 5, 54, 16, 123456, tzinfo=UTC), b'"2026-11-21T05:54:16.123456Z"'),
        (datetime(2026, 11, 21, 1, tzinfo=timezone(timedelta(hours=9))), b'"2026-11-20T16:00:00.000Z"'),
        (date(2026, 11, 21), b'"2026-11-21"'),
        (timedelta(minutes=1), b"60.0"),
        (b"\x01", b'"AQ=="'),
        (UUID(int=0), b'"00000000-0000-0000-0000-000000000000"'),
        ({"a": [Decimal("1.50"), {"b": (None, True)}]}, b'{"a":[1.50,{"b":[null,true]}]}'),
    ],
)
def test_values(value: Any, text: bytes) -> None:
    assert orjson.dumps(plain(value)) == text


def test_a_document_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"text": "line\nbreak", "n": Decimal("1.10")})
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert orjson.loads(printed) == {"text": "line\nbreak", "n": 1.1}


def test_a_document_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b[2J\x7f\x9b31m\u202e\u2028\u2066 é"
    print_json({hostile: [hostile]})
    printed = capsys.readouterr().out
    assert not set(printed) & set("\x1b\x7f\x9b\u202e\u2028\u2066")
    assert "é" in printed
    assert orjson.loads(printed) == {hostile: [hostile]}


QUARANTINE_ID = "0193f4a2-77d1-7c3e-9a64-5b8f0e3d2c11"
EVENT_ID = "5f0c8a1e-42b7-4c6d-8e9f-a1b2c3d4e5f6"
RUN = "train_model-20261121T060000Z-1a2b3c4d"
ERROR = "bucket 3 of 4: a row's event_time 2026-11-20T23:59:59.999Z is not of the day that the object is named after"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns, a platform behind it that is never called."""
    monkeypatch.setattr(output.out, "width", 80)
    for command in (quarantine, keys, pending, trace_command):
        monkeypatch.setattr(command, "find_target", lambda _: Target("local", "http://localhost:1"))
    monkeypatch.setattr(Target, "output", lambda _, name: name)
    monkeypatch.setattr(Target, "client", lambda *_, **__: None)


def refused(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    item = {
        "quarantineId": QUARANTINE_ID,
        "receivedAt": "2026-11-21T05:54:16.123Z",
        "eventId": EVENT_ID,
        "eventType": "transaction.created",
        "status": "open",
        "errors": [{"pointer": "/data/payload/amount", "code": "minimum", "message": "must be >= 0, got -3"}],
    }
    answer = {"items": [item], "cursor": None}
    monkeypatch.setattr(Api, "__init__", lambda *_: None)
    monkeypatch.setattr(Api, "ask", lambda *_, **__: answer)
    quarantine.list_()
    return [QUARANTINE_ID, EVENT_ID, "transaction.created", "/data/payload/amount must be >= 0, got -3"]


def holders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    record = KeyRecord(
        id="3f9a1c04be7d" * 5,
        org="org_acme",
        name="checkout of the web shop",
        prefix="mk_Ab3dEf7h",
        scopes=tuple(sorted(ALL_SCOPES)),
        origins=(),
        status="active",
        created_at="2026-11-21T05:54:16.123Z",
        expires_at=datetime(2027, 11, 21, tzinfo=UTC),
        last_used_at="2026-11-22T05:54:16.123Z",
        replaced_by=None,
    )
    monkeypatch.setattr(keys, "_every", lambda _: [record])
    keys.list_()
    moments = [record.created_at, "expires", str(record.last_used_at)]
    return ["3f9a1c04be7d", "org_acme", "checkout of the web shop", *moments, *record.scopes]


class Answers:
    """An API that gives one answer to everything."""

    answer: Any = None

    def __init__(self, *_: object) -> None:
        """Asks nothing."""

    def ask(self, *_: object, **__: object) -> Any:
        return self.answer


def answering(monkeypatch: pytest.MonkeyPatch, module: Any, answer: Any) -> None:
    monkeypatch.setattr(module, "find_target", lambda *_, **__: None)
    monkeypatch.setattr(module, "Api", type("Api", (Answers,), {"answer": answer}))


def members(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    one: dict[str, Any] = {
        "id": EVENT_ID,
        "email": "wilhelmina.lefebvre@analytics.example.com",
        "name": "wilhelmina",
        "roles": ["data-engineer", "privacy-officer"],
        "status": "active",
    }
    answering(monkeypatch, users, {"items": [one, {**one, "status": "disabled"}], "cursor": None})
    users.list_()
    return [EVENT_ID, one["email"], "name wilhelmina", "data-engineer privacy-officer", "disabled:"]


def tables_about_nobody(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    one: dict[str, Any] = {
        "name": "customers_by_country",
        "source": "gold.fact_transactions_daily",
        "k": 10,
        "each": "user_id",
        "periods": ["2026-10", "2026-11", "2026-Q3"],
    }
    answering(monkeypatch, anonymised, {"items": [one]})
    anonymised.list_()
    return [one["name"], one["source"], "people at least", "user_id", "2026-10, 2026-11, 2026-Q3"]


def held(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    one = {
        "subject": "5021846650738291",
        "at": "2026-11-21T05:54:16.123Z",
        "by": "key of org_acme: the legal department of the shop",
        "reason": "a case before the court of first instance",
    }
    monkeypatch.setattr(holds, "find_target", lambda _: None)
    monkeypatch.setattr(holds, "Api", lambda *_: None)
    monkeypatch.setattr(repairs, "listed", lambda *_, **__: ([one], None))
    holds.list_()
    return [one["subject"], one["at"], "legal department", "a case before"]


def certified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    left = [{"store": store, "what": what, "why": why} for store, what, why in certificate.REMAINS]
    made = {
        "finalAt": "2026-12-01T12:00:00.000Z",
        "key": {"fingerprint": "ab" * 32},
        "removed": [{"store": "quarantine", "entries": 2}],
        "verified": {"events": {"looked": 3, "unreadable": 3}},
        "remains": left,
    }
    answer = {
        "requestId": "r-1",
        "receivedAt": "then",
        "state": "done",
        "dueAt": "later",
        "certificate": made,
    }
    answering(monkeypatch, erase, answer)
    erase.erase("usr_4711", status=True)
    return ["ab" * 32, "verified events: looked 3, unreadable 3", "remains  the audit"]


def failed_days(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    day = FailedDay("org_globex", "2026-11-20", "pending", (Reason("silver.fraud_decision_made_v1", ERROR),))
    monkeypatch.setattr(pending, "_read", lambda _: [day])
    pending.list_()
    return ["org_globex", "2026-11-20", "silver.fraud_decision_made_v1"]


def versions(_: pytest.MonkeyPatch) -> list[str]:
    one = {
        "version": "00000012",
        "name": "logistic_regression",
        "status": "candidate",
        "metrics": {"precision": 0.912, "recall": 0.704, "f1": 0.795, "auc_roc": 0.981},
        "gates": {"precision": {"passed": False}, "recall_against_champion": {"passed": False}},
        "runId": RUN,
    }
    models.show({"runId": RUN, "models": [one, {**one, "name": "lightgbm", "gates": {}}]})
    return ["00000012", "logistic_regression", "candidate"]


def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    object_url = (
        f"s3://millrace-lake/raw/events/org=org_acme/category=orders/year=2026/{QUARANTINE_ID}.parquet"
    )
    step = {"step": "archived", "at": "2026-11-21T05:54:16.123Z", "detail": {"object": object_url}}
    answer = {"eventId": EVENT_ID, "status": "complete", "steps": [step]}
    monkeypatch.setattr(Api, "__init__", lambda *_: None)
    monkeypatch.setattr(Api, "ask", lambda *_, **__: answer)
    trace_command.trace(EVENT_ID)
    return [EVENT_ID, "archived", "2026-11-21T05:54:16.123Z"]


def queried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    row = (EVENT_ID, QUARANTINE_ID, "transaction.created", datetime(2026, 11, 21, tzinfo=UTC))
    names = ["event_id", "correlation_id", "event_type", "received_at"]
    query_command.show(names, [row], 0, wide=False)
    return [*names, EVENT_ID, QUARANTINE_ID, "2026-11-21T00:00:00Z", "1 row"]


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    "command",
    [refused, holders, members, tables_about_nobody, held, certified, failed_days, versions, steps, queried],
)
def test_no_id_is_broken_at_80_columns(
    command: Callable[[pytest.MonkeyPatch], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    unbroken = command(monkeypatch)
    printed = capsys.readouterr().out
    for text in unbroken:
        assert text in printed
    assert max(map(len, printed.splitlines())) <= 80


@pytest.mark.parametrize(("width", "lines"), [(200, 5), (80, 2), (30, 4)])
def test_rows_that_do_not_fit_are_written_below_each_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, lines: int
) -> None:
    monkeypatch.setattr(output.out, "width", width)
    output.show_rows(
        ("id", "since", "note", "empty"), [(EVENT_ID, "2026-11-21T05:54:16.123Z", "some words " * 3, "")]
    )
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == lines
    if width < 100:
        assert printed[0].startswith(EVENT_ID)
        assert "  note some words" in "\n".join(printed)
        assert "empty" not in "\n".join(printed)


def test_a_table_that_cannot_fit_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output.out, "width", 40)
    made = fitted(("id", "note"), [(EVENT_ID, "x")], folded=())
    with output.out.capture() as captured:
        output.out.print(made)
    lines = [line.split("│")[1].strip() for line in captured.get().splitlines() if line.startswith("│")]
    assert "".join(lines) == EVENT_ID


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 entries"), (1, "1 entry"), (2, "2 entries"), (1000, "1,000 entries")]
)
def test_counted_nouns(number: int, text: str) -> None:
    assert counted(number, "entry", "entries") == text
