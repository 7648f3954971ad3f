"""Planning over real stores: from what the archive marked, or from an interval; never from a clock or a listing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from millrace.core import clock
from millrace.core.errors import PermanentError
from millrace.core.objects import Objects
from millrace.core.prefixes import RAW_EVENTS
from millrace.core.table import Table
from millrace.eventstore import failed_days, pending, receipts
from millrace.lake.plan import Planner
from millrace.runs.store import RunStore
from tests.support.emulator import Lake
from tests.support.functions import function

AT = datetime(2026, 11, 21, 6, tzinfo=UTC)


def archived(lake: Lake, org: str, day: str, rows: int, place: str = "p", *, marked: bool = True) -> None:
    """The traces of a batch as the archive leaves them."""
    key = f"{RAW_EVENTS}org={org}/category=c/year=2026/month={day[5:7]}/day={day[8:]}/{place}.parquet"
    lake.s3.put_object(Bucket=lake.bucket, Key=key, Body=b"")
    receipt = receipts.Receipt(
        org, receipts.MANIFEST, day, place, AT, ("0" * 32,) * rows, "1", 0, f"s3://{lake.bucket}/{key}", 1
    )
    Table(lake.dynamodb, "Metadata").write_all(receipts.to_items(receipt))
    if marked:
        Table(lake.dynamodb, "Metadata").write_all(pending.to_items([(org, day)], place, AT))


def planner(lake: Lake) -> Planner:
    return Planner(
        lake.dynamodb,
        Objects(lake.s3, lake.bucket),
        lake.glue,
        environment=lake.environment,
        metadata_table="Metadata",
    )


def test_what_is_new_is_what_is_pending(lake: Lake, bundle: Path) -> None:
    archived(lake, "org_acme", "2026-11-20", 2001)
    archived(lake, "org_acme", "2026-11-20", 5, "q", marked=False)
    archived(lake, "org_globex", "2026-11-19", 3, marked=False)
    plan = planner(lake).plan("run", AT)
    (found,) = plan.partitions
    assert (found.org, found.day, found.rows, found.token) == (
        "org_acme",
        "2026-11-20",
        2006,
        "p",
    )
    assert [part.rows for part in found.objects] == [2001, 5]
    assert all(lake.s3.head_object(Bucket=lake.bucket, Key=part.key) for part in found.objects)
    assert [[(unit.org, unit.day) for unit in batch] for batch in plan.batches] == [
        [("org_acme", "2026-11-20")]
    ]


def test_an_interval_takes_what_has_a_manifest_pending_or_not(lake: Lake, bundle: Path) -> None:
    for org, day in (("org_acme", "2026-11-19"), ("org_acme", "2026-11-21"), ("org_globex", "2026-11-20")):
        archived(lake, org, day, 1, marked=False)
    archived(lake, "org_acme", "2026-11-18", 1)
    plan = planner(lake).plan("run", AT, days=("2026-11-19", "2026-11-20"))
    assert {(d.org, d.day, d.token) for d in plan.partitions} == {
        ("org_acme", "2026-11-19", None),
        ("org_globex", "2026-11-20", None),
    }


def test_of_a_day_whose_manifest_may_be_gone_in_part_silver_keeps_what_it_has(
    lake: Lake, bundle: Path
) -> None:
    """Of a day 400 days ago only what came late has a row still."""
    oldest = (AT - timedelta(days=399)).date().isoformat()
    for day in ("2025-10-17", oldest):
        archived(lake, "org_acme", day, 1)
    for days in (None, ("2025-10-17", oldest)):
        plan = planner(lake).plan("run", AT, days=days)
        assert {day.day: day.merges for day in plan.partitions} == {"2025-10-17": True, oldest: False}
    assert planner(lake).plan("run", AT, days=("2025-10-17",), silver=False).batches == ()


def test_models_only_has_the_same_partitions_and_clears_nothing(lake: Lake, bundle: Path) -> None:
    archived(lake, "org_acme", "2026-11-20", 1)
    plan = planner(lake).plan("run", AT, silver=False)
    assert plan.batches == ()
    assert [(d.day, d.token) for d in plan.partitions] == [("2026-11-20", None)]


def test_the_handler_keeps_the_plan_and_answers_numbers(lake: Lake, bundle: Path) -> None:
    archived(lake, "org_acme", "2026-11-20", 1)
    with function("plan_run", lake.environ) as planned:
        answer = planned({"runId": "r1", "refresh": ["hourly"], "silver": True}, None)
        kept = RunStore(Objects(lake.s3, lake.bucket)).plan("r1")
        assert (answer["runId"], answer["batches"], answer["partitions"]) == ("r1", [0], 1)
        assert answer["remaining"] == 0
        assert answer["levels"] == [list(level) for level in kept.levels]
        today = clock.utc_day(clock.now())
        before, day = (today - timedelta(days=2)).isoformat(), (today - timedelta(days=1)).isoformat()
        empty = planned({"runId": "r2", "from": day, "to": day}, None)
        assert (empty["batches"], empty["partitions"]) == ([], 0)
        with pytest.raises(PermanentError, match="is after"):
            planned({"runId": "r3", "from": day, "to": before}, None)


def test_bases_are_the_tables_at_the_start(lake: Lake, bundle: Path) -> None:
    assert planner(lake).plan("r", AT).bases == {}
    for name, kind in (("order_created_v1", "ICEBERG"), ("other", "EXTERNAL")):
        lake.glue.create_table(
            DatabaseName="millrace_local_silver",
            TableInput={"Name": name, "Parameters": {"table_type": kind, "metadata_location": "s3://m"}},
        )
    assert planner(lake).plan("r", AT).bases == {"silver.order_created_v1": "s3://m"}
    lake.glue.delete_database(Name="millrace_local_gold")
    assert planner(lake).plan("r", AT).bases == {"silver.order_created_v1": "s3://m"}


def test_a_day_that_is_set_aside_is_in_no_plan_until_it_is_taken_in(lake: Lake, bundle: Path) -> None:
    for org in ("org_acme", "org_globex"):
        archived(lake, org, "2026-11-20", 1)
    assert failed_days.set_aside(
        Table(lake.dynamodb, "Metadata"), "org_acme", "2026-11-20", by="cli:ann", now=AT
    )
    # What comes for it meanwhile changes nothing.
    archived(lake, "org_acme", "2026-11-20", 1, "q")
    for days in (None, ("2026-11-20",)):
        plan = planner(lake).plan("run", AT, days=days)
        assert ([one.org for one in plan.partitions], plan.set_aside) == (["org_globex"], 1)
    # Even where nothing is pending any more: a run that was under way has landed it.
    (row,) = [one for one in pending.read(Table(lake.dynamodb, "Metadata")) if one.org == "org_acme"]
    assert pending.clear(Table(lake.dynamodb, "Metadata"), row.org, row.day, row.token)
    assert failed_days.take_in(
        Table(lake.dynamodb, "Metadata"), "org_acme", "2026-11-20", by="cli:ann", now=AT
    )
    plan = planner(lake).plan("run", AT)
    assert ({one.org for one in plan.partitions}, plan.set_aside) == ({"org_acme", "org_globex"}, 0)


def test_what_failed_before_comes_last_and_by_itself(lake: Lake, bundle: Path) -> None:
    for org, day in (("org_a", "2026-11-19"), ("org_a", "2026-11-20"), ("org_b", "2026-11-20")):
        archived(lake, org, day, 1)
    reasons = [failed_days.Reason(None, "its worker did not come to an end")]
    failed_days.record(Table(lake.dynamodb, "Metadata"), "org_a", "2026-11-19", reasons, run="r", at="")
    plan = planner(lake).plan("run", AT)
    assert [[(unit.org, unit.day) for unit in batch] for batch in plan.batches] == [
        [("org_a", "2026-11-20"), ("org_b", "2026-11-20")],
        [("org_a", "2026-11-19")],
    ]


def test_a_manifest_that_cannot_be_read_leaves_out_its_day(lake: Lake, bundle: Path) -> None:
    for org in ("org_acme", "org_globex"):
        archived(lake, org, "2026-11-20", 1)
    name = receipts.partition("org_acme", receipts.MANIFEST, "2026-11-20")
    for item in ({"object": {"N": "5"}}, {"object": {"S": "s3://x/y"}, "rows": {"N": "1.5"}}):
        row = {"entityTypeKey": {"S": name}, "entityId": {"S": "z"}, **item}
        lake.dynamodb.put_item(TableName="Metadata", Item=row)
        plan = planner(lake).plan("run", AT)
        assert [one.org for one in plan.partitions] == ["org_globex"]
        (left,) = plan.left_out
        assert (left.org, left.day) == ("org_acme", "2026-11-20")
        assert left.error.startswith("its manifest cannot be read")
