"""Rows of files that are older than their type is kept: judged as every row is, and in the lake alone."""

import io
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.parquet as pq
import pytest

from millrace.contracts import registry
from millrace.core import clock, limits
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore import pending, receipts
from millrace.imports import importing
from millrace.reconcile import passes, request
from tests.support import events
from tests.support.dropping import Drops
from tests.support.erasing import Requests
from tests.support.platform import ACME, GLOBEX, LAKE, Platform
from tests.support.reconciling import World

LAST_YEAR = timedelta(days=420)
COUNTS = ("rows", "accepted", "history", "duplicates", "rejected")


def retention() -> timedelta:
    return timedelta(days=registry.load().find("order.created").retention_days)


def lines(rows: list[dict[str, Any]]) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


def drop(drops: Drops, rows: list[dict[str, Any]], name: str = "a.ndjson", **how: Any) -> dict[str, Any]:
    return drops.drop(lines(rows), name, **how)


def counts(one: dict[str, Any]) -> tuple[int, ...]:
    return tuple(one[name] for name in COUNTS)


def raw(running: Platform) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for body in running.objects("raw/events/").values():
        found += pq.read_table(io.BytesIO(body)).to_pylist()
    return found


def order(at: datetime, **changes: Any) -> dict[str, Any]:
    return events.order(timestamp=clock.utc_text(at), **changes)


def test_history_is_in_raw_and_pending_and_in_no_other_store(running: Platform) -> None:
    drops, now = Drops(running), clock.now()
    old = [order(now - LAST_YEAR - timedelta(days=n)) for n in range(40)]
    one = drop(drops, [*old, order(now)])
    assert (one["state"], *counts(one)) == ("done", 41, 41, 40, 0, 0)
    assert len(running.rows("Events")) == 1
    rows = raw(running)
    assert {row["event_id"] for row in rows} == {row["eventId"] for row in old}
    assert {row["org_id"] for row in rows} == {ACME}
    assert all(row["expires_at"] <= clock.epoch(row["received_at"]) for row in rows)
    metadata = Table(running.dynamodb, "Metadata")
    assert {(one.org, one.day) for one in pending.read(metadata)} == {
        (ACME, row["timestamp"][:10]) for row in old
    }
    # What runs are planned from names each object, with its rows.
    days = {one.day for one in pending.read(metadata)}
    named = [row for day in days for row in receipts.objects(metadata, ACME, day)]
    assert sum(int(row["rows"]["N"]) for row in named) == 40
    assert {row["object"]["S"].split("/", 3)[3] for row in named} == set(running.objects("raw/events/"))
    # Real time and the log know nothing of it.
    running.settle()
    assert running.log_records() == []
    assert Counter(row["event_id"] for row in raw(running)) == Counter(
        [row["eventId"] for row in old]
        + [row["eventId"]["S"].split("#")[1] for row in running.rows("Events")]
    )


def test_days_at_the_borders_of_time(running: Platform) -> None:
    drops, now = Drops(running), datetime.now(UTC).replace(microsecond=0)
    oldest = now - retention() + timedelta(days=1)
    sound = {
        "live": oldest + timedelta(minutes=5),
        "history": oldest - timedelta(minutes=5),
        "first": limits.OLDEST,
        "second": limits.OLDEST + timedelta(milliseconds=1),
        "day": limits.OLDEST + timedelta(days=1),
        "leap": datetime(2000, 2, 29, 23, 59, 59, tzinfo=UTC),
        "not leap": datetime(1999, 2, 28, 23, 59, 59, tzinfo=UTC),
        "month": datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC),
        "century": datetime(2000, 1, 1, tzinfo=UTC),
    }
    refused = [limits.OLDEST - timedelta(milliseconds=1), limits.OLDEST - timedelta(days=400)]
    far = [order(now), order(now)]
    far[0]["timestamp"], far[1]["timestamp"] = "0999-12-31T00:00:00Z", "1970-01-01T00:00:00+01:00"
    rows = [*map(order, sound.values()), *map(order, refused), *far]
    one = drop(drops, rows)
    assert counts(one) == (13, 9, 8, 0, 4)
    assert one["codes"]["timestamp_range"] == 3
    keys = Counter(key.split("category=business-events/")[1][:25] for key in running.objects("raw/events/"))
    for moment in list(sound.values())[1:]:
        assert f"year={moment:%Y}/month={moment:%m}/day={moment:%d}" in keys
    # Also of the youngest of it, which its retention has not left quite behind, reconciliation expects no row in Events.
    received = clock.epoch(datetime.now(UTC))
    assert all(row["expires_at"] <= received for row in raw(running))


def test_a_live_copy_of_history_is_refused_and_quarantine_does_not_take_history(running: Platform) -> None:
    one = order(clock.now() - LAST_YEAR)
    drop(Drops(running), [one])
    answer = running.post(one)
    assert answer["body"]["results"][0]["errors"][0]["code"] == "timestamp_range"
    assert running.rows("Events") == []


def test_the_same_file_twice_and_a_kill_in_the_middle_add_no_event(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "GROUP_ROWS", 4)
    drops, now = Drops(running), clock.now()
    rows = [order(now - LAST_YEAR - timedelta(days=n % 3)) for n in range(10)]
    rows[1] = rows[0]
    notice = drops.put(lines(rows), "a.ndjson")
    original, calls = Objects.put, [0]

    def put(self: Objects, key: str, body: bytes, **how: Any) -> Any:
        original(self, key, body, **how)
        calls[0] += key.startswith("raw/events/")
        if calls[0] == 5:
            calls[0] += 1
            raise KeyboardInterrupt

    monkeypatch.setattr(Objects, "put", put)
    with pytest.raises(KeyboardInterrupt):
        drops.run(notice)
    running.restart_all()
    one = drops.kept(drops.run(notice).output["importId"])
    assert (one["state"], *counts(one)) == ("done", 10, 9, 9, 1, 0)
    assert Counter(row["event_id"] for row in raw(running)) == Counter({row["eventId"] for row in rows})
    world = World(running)
    world.silver.run()
    before = world.silver.days
    drop(drops, rows, "again.ndjson")
    world.silver.run()
    assert world.silver.days == before


def test_reconciliation_finds_history_where_it_belongs(running: Platform) -> None:
    drops, world = Drops(running), World(running)
    # A day that passes still come to, of a type that is kept for less.
    age = retention() + timedelta(days=3)
    for org in (ACME, GLOBEX):
        drop(drops, [order(clock.now() - age - timedelta(minutes=n)) for n in range(300)], org=org)
    world.silver.run()
    world.days = age.days + 1
    report = world.look()
    assert (report.counts["raw"], report.counts["silver"], report.counts["events"]) == (600, 600, 0)
    assert set(report.hours) == {"equal"}, report.differences


def test_history_is_protected_and_an_erasure_holds(running: Platform) -> None:
    drops, now = Drops(running), clock.now()
    old = clock.utc_text(now - LAST_YEAR)
    one = events.shipped_order(user="u-1", timestamp=old)
    other = events.shipped_order(user="u-2", timestamp=old)
    assert counts(drop(drops, [one, other])) == (2, 2, 2, 0, 0)
    everything = b"".join(running.objects("raw/events/").values())
    rows = {row["event_id"]: row for row in raw(running)}
    assert b"Marked Street" not in everything
    assert all(row["sealed_values"] for row in rows.values())
    assert "u-1" not in str(rows[one["eventId"]]["user_id"])
    asked = Requests(running)
    asked.erased("u-1")
    # What functions remember of people is over when the machine goes on.
    running.restart_all()
    again = drop(drops, [one, other], "b.ndjson")
    assert (again["accepted"], again["history"], again["rejected"]) == (1, 1, 1)


def test_a_dry_run_counts_history_and_stores_none(running: Platform) -> None:
    rows = [order(clock.now() - LAST_YEAR), order(clock.now())]
    one = drop(Drops(running), rows, dryRun=True)
    assert counts(one) == (2, 2, 1, 0, 0)
    assert (running.objects("raw/events/"), running.rows("Events")) == ({}, [])


def test_rows_of_silver_that_raw_has_outlived_are_explained(running: Platform) -> None:
    drops, world = Drops(running), World(running)
    at = clock.now() - LAST_YEAR
    drop(drops, [order(at), order(at)])
    world.silver.run()
    windows = request.of_days([clock.day_text(at)], world.now)

    def hours() -> Counter[str]:
        units = [(ACME, window) for window in windows]
        return passes.run(world.check, units, world.now, lambda: 100.0, 1.0, full=True, warn=print).hours

    assert hours() == {"equal": 1}
    for key in running.objects("raw/events/"):
        running.s3.delete_object(Bucket=LAKE, Key=key)
    metadata = Table(running.dynamodb, "Metadata")
    for row in list(receipts.objects(metadata, ACME, clock.day_text(at))):
        place = {"S": receipts.partition(ACME, receipts.OBJECTS, clock.day_text(at))}
        metadata.delete({"entityTypeKey": place, "entityId": row["entityId"]}, doing="forget")
    assert hours() == {"explained": 1}
