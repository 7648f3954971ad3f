"""From the archive to silver by the real handlers: new, again, late, and twice at once."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.archive.archive import Archive
from millrace.archive.history import History
from millrace.contracts import registry
from millrace.core import clock
from millrace.core.consumer import Delivery
from millrace.core.errors import PermanentError
from millrace.core.objects import Objects
from millrace.core.prefixes import RAW_EVENTS
from millrace.core.table import Table
from millrace.eventstore import pending, receipts
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item, to_item
from millrace.lake import packing
from tests.support.commits import ACME, GLOBEX, opened
from tests.support.emulator import Lake
from tests.support.functions import function
from tests.support.lake_files import SILVER
from tests.unit.archive.test_archive import delivery

# Days whose manifest is whole: a plan over an interval looks at the clock.
DAY = (clock.now() - timedelta(days=9)).replace(hour=10, minute=0, second=0, microsecond=0)
NEXT = DAY + timedelta(days=1)
FIRST, SECOND = (clock.utc_day(moment).isoformat() for moment in (DAY, NEXT))

# A month's end, and the nearest 29 February that is older than what the manifest keeps.
LEAP = max(
    moment
    for year in range(DAY.year - 8, DAY.year)
    if year % 4 == 0 and (year % 100 or year % 400 == 0)
    for moment in [DAY.replace(year=year, month=2, day=29)]
    if DAY - moment > timedelta(days=410)
)
OLD = (LEAP, LEAP + timedelta(days=1))
OLD_DAYS = tuple(clock.utc_day(moment).isoformat() for moment in OLD)


def archive(lake: Lake, *events: tuple[int, str, datetime]) -> None:
    """A batch of the log; a number is a place in the stream."""
    codec = Codec(registry.load().dictionary)
    archived = Archive(Objects(lake.s3, lake.bucket), Table(lake.dynamodb, "Metadata"), codec)
    archived.write([delivery(*event)[1] for event in events])


def forget(lake: Lake) -> None:
    """Raw and what is known of it, as it is 400 days later; and nothing is pending."""
    for listed in lake.s3.list_objects_v2(Bucket=lake.bucket, Prefix=RAW_EVENTS).get("Contents", []):
        lake.s3.delete_object(Bucket=lake.bucket, Key=listed["Key"])
    metadata = Table(lake.dynamodb, "Metadata")
    for org in (ACME, GLOBEX):
        for day in (*OLD_DAYS, FIRST):
            for kind in (receipts.OBJECTS, receipts.MANIFEST):
                for row in list(receipts.read(metadata, org, kind, day)):
                    metadata.delete(
                        {name: row[name] for name in ("entityTypeKey", "entityId")}, doing="forget"
                    )
    for pended in pending.read(metadata):
        assert pending.clear(metadata, pended.org, pended.day, pended.token)


def ids(lake: Lake) -> Counter[tuple[str, str]]:
    held = opened(lake).table.scan().to_arrow().to_pylist()
    return Counter((row["org_id"], row["event_id"]) for row in held)


def call(lake: Lake, stem: str, event: dict[str, Any]) -> dict[str, Any]:
    more = {"MEMORY_MB": "1024"} if stem == "transform_partitions" else {}
    with function(stem, {**lake.environ, **more}) as handler:
        answer: dict[str, Any] = handler(event, None)
        return answer


def plan(lake: Lake, run: str, **request: Any) -> dict[str, Any]:
    return call(lake, "plan_run", {"runId": run, "refresh": ["hourly", "daily"], "silver": True, **request})


def finish(lake: Lake, run: str, planned: dict[str, Any]) -> dict[str, str]:
    """Transforms and commits what was planned; table → status."""
    if planned["merges"]:
        call(lake, "pin_sources", {"runId": run, "of": "silver"})
    for batch in planned["batches"]:
        assert call(lake, "transform_partitions", {"runId": run, "batch": batch})["failed"] == 0
    return {
        table: call(lake, "commit_table", {"runId": run, "table": table})["status"]
        for table in call(lake, "commit_table", {"runId": run, "list": True})["tables"]
    }


def rows(lake: Lake) -> Counter[tuple[str, str]]:
    found = Counter[tuple[str, str]]()
    for file in opened(lake).files():
        found[file.org, str(file.day)] += file.rows
    return found


def test_a_late_event_opens_its_day_again_and_no_other(lake: Lake, bundle: Path) -> None:
    archive(lake, (1, ACME, DAY), (2, GLOBEX, DAY), (3, ACME, NEXT))
    assert finish(lake, "r1", plan(lake, "r1")) == {SILVER: "committed"}
    assert rows(lake) == {(ACME, FIRST): 1, (GLOBEX, FIRST): 1, (ACME, SECOND): 1}
    for row in pending.read(Table(lake.dynamodb, "Metadata")):
        assert pending.clear(Table(lake.dynamodb, "Metadata"), row.org, row.day, row.token)
    before = {file.path for file in opened(lake).files()}
    archive(lake, (4, ACME, DAY))
    planned = plan(lake, "r2")
    assert (planned["partitions"], len(planned["batches"])) == (1, 1)
    assert finish(lake, "r2", planned) == {SILVER: "committed"}
    assert rows(lake)[ACME, FIRST] == 2
    assert len(before - {file.path for file in opened(lake).files()}) == 1


def test_an_interval_again_gives_the_same_rows(lake: Lake, bundle: Path) -> None:
    archive(lake, (1, ACME, DAY), (2, GLOBEX, NEXT))
    finish(lake, "r1", plan(lake, "r1"))
    first = sorted(map(str, opened(lake).table.scan().to_arrow().to_pylist()))
    repeated = {"from": FIRST, "to": SECOND}
    assert finish(lake, "r2", plan(lake, "r2", **repeated)) == {SILVER: "committed"}
    assert sorted(map(str, opened(lake).table.scan().to_arrow().to_pylist())) == first


def test_of_two_runs_at_once_one_lands_and_what_came_meanwhile_stays_pending(
    lake: Lake, bundle: Path
) -> None:
    archive(lake, (1, ACME, DAY))
    older = plan(lake, "older")
    ((planned,),) = [pending.read(Table(lake.dynamodb, "Metadata"))]
    archive(lake, (2, ACME, DAY))
    newer = plan(lake, "newer")
    assert finish(lake, "newer", newer) == {SILVER: "committed"}
    assert finish(lake, "older", older) == {SILVER: "conflict"}, "it knows less than what is there"
    assert rows(lake) == {(ACME, FIRST): 2}
    assert not pending.clear(Table(lake.dynamodb, "Metadata"), ACME, FIRST, planned.token)


def test_a_day_that_raw_has_lost_keeps_what_silver_has_of_it(lake: Lake, bundle: Path) -> None:
    """Planning what is new alone would replace the day by it."""
    archive(lake, (1, ACME, OLD[0]), (2, GLOBEX, OLD[0]), (3, ACME, OLD[1]))
    finish(lake, "r1", plan(lake, "r1"))
    before = ids(lake)
    forget(lake)
    archive(lake, (4, ACME, OLD[0]), (5, ACME, OLD[0]))
    planned = plan(lake, "r2")
    assert planned["merges"] == 1
    assert finish(lake, "r2", planned) == {SILVER: "committed"}
    after = ids(lake)
    assert (rows(lake)[ACME, OLD_DAYS[0]], rows(lake)[GLOBEX, OLD_DAYS[0]]) == (3, 1)
    assert before <= after
    assert set(after.values()) == {1}
    # Again, pending or not, and once more when raw has lost that too: nothing changes.
    finish(lake, "r3", plan(lake, "r3", **{"from": OLD_DAYS[0], "to": OLD_DAYS[1]}))
    assert ids(lake) == after
    forget(lake)
    empty = plan(lake, "r4", **{"from": OLD_DAYS[0], "to": OLD_DAYS[0]})
    assert (empty["batches"], empty["merges"]) == ([], 0)
    assert ids(lake) == after


def test_a_day_that_raw_has_whole_is_made_of_raw_alone(lake: Lake, bundle: Path) -> None:
    archive(lake, (1, ACME, DAY))
    finish(lake, "r1", plan(lake, "r1"))
    forget(lake)
    archive(lake, (2, ACME, DAY))
    planned = plan(lake, "r2")
    assert planned["merges"] == 0
    finish(lake, "r2", planned)
    assert rows(lake) == {(ACME, FIRST): 1}


def test_of_an_event_that_silver_and_raw_have_the_copy_that_was_received_first_stays(
    lake: Lake, bundle: Path
) -> None:
    first = delivery(1, ACME, OLD[0])[1]
    later = (replace_received(first, OLD[0] + timedelta(seconds=5)), delivery(2, ACME, OLD[0])[1])
    codec = Codec(registry.load().dictionary)
    archived = Archive(Objects(lake.s3, lake.bucket), Table(lake.dynamodb, "Metadata"), codec)
    archived.write([first])
    finish(lake, "r1", plan(lake, "r1"))
    forget(lake)
    archived.write(later)
    finish(lake, "r2", plan(lake, "r2"))
    (one,) = [
        row
        for row in opened(lake).table.scan().to_arrow().to_pylist()
        if row["received_at"] == OLD[0] and row["event_id"] == from_item(first.item, codec).event_id
    ]
    assert one
    assert rows(lake)[ACME, OLD_DAYS[0]] == 2
    # The one that raw still has is made of raw again; the other one stays beside it.
    finish(lake, "r3", plan(lake, "r3", **{"from": OLD_DAYS[0], "to": OLD_DAYS[0]}))
    assert rows(lake)[ACME, OLD_DAYS[0]] == 2


def test_days_are_not_replaced_where_what_silver_has_was_not_pinned(lake: Lake, bundle: Path) -> None:
    archive(lake, (1, ACME, OLD[0]))
    planned = plan(lake, "r1")
    with pytest.raises(PermanentError, match="has not pinned"):
        call(lake, "transform_partitions", {"runId": "r1", "batch": planned["batches"][0]})


def test_a_kept_row_stays_once_whatever_bucket_it_is_in(
    lake: Lake, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive(lake, *((number, ACME, OLD[0]) for number in range(40)))
    finish(lake, "r1", plan(lake, "r1"))
    before = ids(lake)
    forget(lake)
    # More rows than a worker takes: buckets of which some have no new row of the table.
    monkeypatch.setattr(packing.units, "__defaults__", (1,))
    monkeypatch.setattr(
        packing.pack, "__kwdefaults__", {**(packing.pack.__kwdefaults__ or {}), "max_rows": 1}
    )
    archive(lake, *((number, ACME, OLD[0]) for number in range(40, 43)))
    planned = plan(lake, "r2")
    assert len(planned["batches"]) == 3
    finish(lake, "r2", planned)
    assert before <= ids(lake)
    assert (rows(lake)[ACME, OLD_DAYS[0]], set(ids(lake).values())) == (43, {1})


def test_thousands_of_rows_of_history_join_days_that_silver_has(lake: Lake, bundle: Path) -> None:
    contracts = registry.load()
    codec = Codec(contracts.dictionary)
    archive(lake, (1, ACME, OLD[0]), (2, GLOBEX, OLD[0]))
    finish(lake, "r1", plan(lake, "r1"))
    before = ids(lake)
    forget(lake)
    first = clock.EPOCH
    moments = (OLD[0], OLD[1], first, first + timedelta(days=1))

    def write(name: str) -> None:
        for org, some in written.items():
            history = History(
                Objects(lake.s3, lake.bucket), Table(lake.dynamodb, "Metadata"), codec, contracts.of_ref
            )
            history.append(some)
            history.write(f"{name}-{org}", 0, clock.now())

    written: dict[str, list[Any]] = {
        org: [dict(delivery(n, org, moments[n % 4])[1].item) for n in range(1000)] for org in (ACME, GLOBEX)
    }
    write("one")
    planned = plan(lake, "r2")
    assert planned["merges"] == 8
    assert finish(lake, "r2", planned) == {SILVER: "committed"}
    after = ids(lake)
    assert (before <= after, len(after), set(after.values())) == (True, 2002, {1})
    found = rows(lake)
    for org in (ACME, GLOBEX):
        days = (found[org, clock.utc_day(moment).isoformat()] for moment in moments)
        assert tuple(days) == (251, 250, 250, 250)
    # The same file once more.
    write("two")
    finish(lake, "r3", plan(lake, "r3"))
    assert ids(lake) == after


def replace_received(sent: Delivery, at: datetime) -> Delivery:
    """A later copy of an event."""
    codec = Codec(registry.load().dictionary)
    event = from_item(sent.item, codec)
    platform = {**event.envelope["platform"], "receivedAt": clock.utc_text(at)}
    contract = registry.load().of_ref(platform["contract"])
    item = to_item({**event.envelope, "platform": platform}, contract, event.fingerprint, codec)
    return replace(sent, item=item, sequence="999")
