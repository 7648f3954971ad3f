"""Days that no run could commit: told, set aside, taken in again; of two who change one at once, one does."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cli.commands import pending as command
from cli.main import run
from cli.target import Target
from millrace.core import audit as audit_lines
from millrace.core.table import Table
from millrace.eventstore import failed_days, pending
from millrace.eventstore.failed_days import FailedDay, Reason
from tests.support.platform import ACME, GLOBEX, Platform

AT = datetime(2026, 11, 21, 6, tzinfo=UTC)
DAY, NEXT = "2026-11-20", "2026-11-21"
ORDERS, FACTS = "silver.order_created_v1", "silver.transaction_created_v1"


def tell(running: Platform, org: str, day: str, *reasons: Reason, run: str = "r1") -> None:
    failed_days.record(
        Table(running.dynamodb, "Metadata"), org, day, reasons, run=run, at="2026-11-21T06:00:00.000Z"
    )


def read(running: Platform) -> list[FailedDay]:
    return failed_days.read(Table(running.dynamodb, "Metadata"))


def move(running: Platform, to: str, org: str = ACME, day: str = DAY) -> bool:
    change = failed_days.set_aside if to == "set_aside" else failed_days.take_in
    return change(Table(running.dynamodb, "Metadata"), org, day, by="cli:ann", now=AT)


def test_the_last_error_is_kept_and_goes_with_the_run_that_lands(running: Platform) -> None:
    tell(running, ACME, DAY, Reason(None, "gone"))
    tell(running, ACME, DAY, Reason(ORDERS, "x" * 900), Reason(FACTS, "late\nline «é»"), run="r2")
    (found,) = read(running)
    assert (found.state, found.run, found.at) == ("pending", "r2", "2026-11-21T06:00:00.000Z")
    assert found.reasons == (Reason(ORDERS, "x" * 500), Reason(FACTS, "late\nline «é»"))
    assert failed_days.forget(Table(running.dynamodb, "Metadata"), ACME, DAY)
    assert not failed_days.forget(Table(running.dynamodb, "Metadata"), ACME, DAY)
    assert read(running) == []


def test_a_row_stays_small_however_many_tables_fail(running: Platform) -> None:
    tell(running, ACME, DAY, *(Reason(f"silver.t{number}_v1", "\U0010ffff" * 900) for number in range(100)))
    assert len(read(running)[0].reasons) == failed_days.MOST_FAILURES


def test_set_aside_and_taken_in_happen_once_each(running: Platform) -> None:
    tell(running, ACME, DAY, Reason(ORDERS, "odd"))
    assert not move(running, "pending"), "it is not set aside"
    assert move(running, "set_aside")
    assert not move(running, "set_aside")
    assert (read(running)[0].state, read(running)[0].reasons) == ("set_aside", (Reason(ORDERS, "odd"),))
    assert pending.read(Table(running.dynamodb, "Metadata")) == []
    assert move(running, "pending")
    assert not move(running, "pending")
    ((row),) = pending.read(Table(running.dynamodb, "Metadata"))
    assert (row.org, row.day) == (ACME, DAY), "the next run finds it"
    assert read(running)[0].state == "pending"
    audit = running.dynamodb.query(
        TableName="Metadata",
        KeyConditionExpression="entityTypeKey = :key",
        ExpressionAttributeValues={":key": {"S": audit_lines.partition(ACME)}},
    )["Items"]
    assert sorted((item["action"]["S"], item["principal"]["S"]) for item in audit) == [
        ("pending.set-aside", "cli:ann"),
        ("pending.take-in", "cli:ann"),
    ]
    assert {json.loads(item["detail"]["S"])["day"] for item in audit} == {DAY}


def test_a_run_that_lands_or_fails_meanwhile_leaves_it_set_aside(running: Platform) -> None:
    tell(running, ACME, DAY, Reason(ORDERS, "odd"))
    move(running, "set_aside")
    assert not failed_days.forget(Table(running.dynamodb, "Metadata"), ACME, DAY), (
        "the operator's word stands"
    )
    tell(running, ACME, DAY, Reason(ORDERS, "odd again"), run="r2")
    assert [(one.state, one.reasons[0].error) for one in read(running)] == [("set_aside", "odd again")]
    # What comes for it meanwhile changes nothing.
    Table(running.dynamodb, "Metadata").write_all(pending.to_items([(ACME, DAY)], pending.new_token(), AT))
    assert read(running)[0].state == "set_aside"


@pytest.fixture
def told(running: Platform, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """Two days that failed, and the command on these stores."""
    target = Target("local", "http://localhost:1", {"MetadataTable": "Metadata"})
    monkeypatch.setattr(Target, "client", lambda *_, **__: running.dynamodb)
    monkeypatch.setattr(command, "find_target", lambda _: target)
    tell(running, ACME, DAY, Reason(ORDERS, "odd"), Reason(FACTS, "odd as well"))
    tell(running, GLOBEX, NEXT, Reason(None, "its object is gone"))
    return running


def items(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out.splitlines()[-1])["items"]


def test_the_list_names_tenant_day_table_and_error(
    told: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["pending", "list", "--json"]) == 0
    acme = {"org": ACME, "day": DAY, "state": "pending"}
    gone = {"org": GLOBEX, "day": NEXT, "table": None, "error": "its object is gone", "state": "pending"}
    orders, facts = {"table": ORDERS, "error": "odd"}, {"table": FACTS, "error": "odd as well"}
    assert items(capsys) == [{**acme, **orders}, {**acme, **facts}, gone]
    for filters, found in (
        (["--org", GLOBEX], [gone]),
        (["--day", DAY, "--table", FACTS], [{**acme, **facts}]),
    ):
        assert run(["pending", "list", *filters, "--json"]) == 0
        assert items(capsys) == found
    assert run(["pending", "list", "--org", "org_nobody"]) == 0
    assert "No run has failed" in capsys.readouterr().out
    assert run(["pending", "list"]) == 0
    assert "odd as well" in capsys.readouterr().out


def test_set_aside_and_take_in_by_name(told: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pending", "set-aside", "--org", ACME, "--day", DAY, "--json"]) == 0
    assert {one["state"] for one in items(capsys)} == {"set_aside"}
    assert run(["pending", "set-aside", "--org", ACME, "--json"]) == 1, "it is set aside already"
    assert run(["pending", "take-in", "--day", DAY, "--json"]) == 0
    capsys.readouterr()
    assert run(["pending", "take-in", "--day", DAY]) == 1
    assert "no such tenant-day is set aside" in capsys.readouterr().err
    assert [one.state for one in read(told)] == ["pending", "pending"]
    assert [(row.org, row.day) for row in pending.read(Table(told.dynamodb, "Metadata"))] == [(ACME, DAY)]


def test_who_comes_second_is_told_so(
    told: Platform, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else sets it aside between the look and the write."""
    change = failed_days.set_aside

    def late(*given: Any, **how: Any) -> bool:
        assert change(*given, **{**how, "by": "cli:bob"})
        return change(*given, **how)

    monkeypatch.setattr(failed_days, "set_aside", late)
    assert run(["pending", "set-aside", "--org", ACME, "--json"]) == 1
    assert items(capsys) == []
    audit = told.dynamodb.scan(TableName="Metadata", FilterExpression="attribute_exists(principal)")["Items"]
    assert [item["principal"]["S"] for item in audit] == ["cli:bob"]


def test_a_day_that_no_run_has_failed_with_may_be_set_aside(
    told: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    Table(told.dynamodb, "Metadata").write_all(pending.to_items([(GLOBEX, DAY)], pending.new_token(), AT))
    assert run(["pending", "set-aside", "--org", GLOBEX, "--day", DAY, "--json"]) == 0
    assert items(capsys) == [{"org": GLOBEX, "day": DAY, "table": None, "error": None, "state": "set_aside"}]
    assert run(["pending", "set-aside", "--org", "org_nobody", "--day", DAY]) == 1
    assert "no such tenant-day" in capsys.readouterr().err


WRONG = [
    (["set-aside"], "select tenant-days with"),
    (["take-in"], "select tenant-days with"),
    (["list", "--day", "yesterday"], "not a date"),
    (["list", "--day", ""], "not a date"),
    (["set-aside", "--day", "20261120"], "not a date"),
    (["list", "--table", "silver.nothing_v1"], "not a table"),
    (["take-in", "--table", "order_created_v1"], "not a table"),
]


@pytest.mark.parametrize(("given", "told_of"), WRONG, ids=[" ".join(given) for given, _ in WRONG])
def test_what_names_nothing_is_a_wrong_usage(
    told: Platform, capsys: pytest.CaptureFixture[str], given: list[str], told_of: str
) -> None:
    before = read(told)
    assert run(["pending", *given]) == 2
    assert told_of in capsys.readouterr().err
    assert read(told) == before


def test_every_table_of_the_contracts_is_known() -> None:
    assert {ORDERS, FACTS, "gold.campaign_metrics_daily", "marts.fct_transactions"} <= command.tables()
