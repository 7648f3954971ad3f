"""Tables rebuilt from the lake equal the originals: duplicates, two tenants, expiry, derived events."""

import io
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.compare import TableComparison
from cli.ddl import create_table, schema
from cli.main import run
from cli.rebuild import PROGRESS, PutBack, Rebuild
from millrace.archive import raw, restore
from millrace.contracts import registry
from millrace.core import clock, keys
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore import tables
from millrace.eventstore.codec import Codec
from millrace.eventstore.projection import to_pointer
from millrace.eventstore.row import from_item
from tests.support import events, rows
from tests.support.platform import GLOBEX, LAKE, Platform, platform
from tests.support.stores import MemoryDynamoDB, MemoryS3

NAMES = ("Events", "UserEvents")
KEYS = {"Events": ("eventId",), "UserEvents": ("userKey", "sortKey")}


@pytest.fixture
def scoring(bundle: Path) -> Iterator[Platform]:
    with platform(bundle, scoring=True) as running:
        yield running


@dataclass
class Stores:
    """Tables and lake in memory, for many rows."""

    dynamodb: MemoryDynamoDB
    s3: MemoryS3


def rebuilding(running: Platform | Stores, table: str, **changes: Any) -> Rebuild:
    into, original = Table(running.dynamodb, "Again"), Table(running.dynamodb, table)
    given: dict[str, Any] = {"table": table, "into": into, "original": original, **changes}
    return Rebuild(Objects(running.s3, LAKE), registry.load(), **given)


def different(running: Platform | Stores, table: str) -> int:
    """Rows that differ."""
    codec = Codec(registry.load().dictionary)
    first, second = Table(running.dynamodb, table), Table(running.dynamodb, "Again")
    return TableComparison(codec, first, second, KEYS[table]).different()


def rebuilt(running: Platform, table: str) -> tuple[int, int]:
    """Rows, and how many differ."""
    create_table(running.dynamodb, getattr(tables, table), "Again", like=None)
    count = rebuilding(running, table).run()
    return count, different(running, table)


def unpacked(row: dict[str, Any]) -> Any:
    return json.loads(Codec(registry.load().dictionary).unpack(bytes(row["body"]["B"]), row["dict"]["S"]))


def by_key(running: Platform, name: str, table: str) -> dict[tuple[str, ...], dict[str, Any]]:
    return {tuple(row[key]["S"] for key in KEYS[table]): row for row in running.rows(name)}


@pytest.mark.parametrize("table", NAMES)
def test_what_came_through_the_handlers_is_rebuilt(scoring: Platform, table: str) -> None:
    rng = random.Random(5)
    sent = [*events.mixed(90, rng), events.inference()]
    assert scoring.post(sent)["status"] == 202
    # The same id for another tenant, and other forms: no metadata, a session alone, every optional field.
    bare = events.order(data={"payload": events.order()["data"]["payload"]})
    full = events.order(correlationId="c#1%", environment="live", region="eu", userId="usr_4711")
    assert (
        scoring.post([*sent[:20], bare, full, events.health_check(sessionId="s")], org=GLOBEX)["status"]
        == 202
    )
    scoring.post([*sent[:10], bare])
    for record in scoring.log_records():
        scoring.log.put("direct", record)
    scoring.settle()
    original = by_key(scoring, table, table)
    assert rebuilt(scoring, table) == (len(original), 0)
    copy = by_key(scoring, "Again", table)
    assert copy.keys() == original.keys()
    for key, row in original.items():
        assert {**copy[key], "body": None} == {**row, "body": None}
        if "body" in row:
            # Raw knows no order of names: a user id that came from the payload stands behind the session's.
            assert unpacked(copy[key]) == unpacked(row)
    types = {row["sortKey"]["S"]: row["eventType"]["S"] for row in scoring.rows("Events")}
    # An event that is in the log only has no row, and so no pointer.
    assert "fraud.decision.made" in {types[row["sortKey"]["S"]] for row in original.values()}
    assert "ml.model.inference" not in types.values()


def fill(running: Stores, count: int, rng: random.Random) -> None:
    """Rows of two tenants as intake and the consumers leave them, and raw with copies in other objects."""
    contracts, codec = registry.load(), Codec(registry.load().dictionary)
    contract = contracts.find("order.created")
    now = clock.now()
    stored = []
    for number in range(count):
        event = events.order(
            user=f"usr_{rng.randrange(50)}", timestamp=events.moment(timedelta(minutes=number))
        )
        item = rows.item({**event, "version": "1.2.0"}, contract, codec, rng)
        stored.append(from_item({**item, "expiresAt": {"N": str(clock.epoch(now) + 86400)}}, codec))
        if number % 3 == 0:
            stored[-1].envelope["platform"]["orgId"] = GLOBEX
    items = [restore.to_row(event, contract, codec) for event in stored]
    pointers = [to_pointer(event, contract) for event in stored]
    for table, some in (("Events", items), ("UserEvents", [p for p in pointers if p])):
        for start in range(0, len(some), 25):
            puts = {table: [{"PutRequest": {"Item": item}} for item in some[start : start + 25]]}
            assert not running.dynamodb.batch_write_item(RequestItems=puts)["UnprocessedItems"]
    copies = [*stored, *rng.sample(stored, count // 4)]
    rng.shuffle(copies)
    for start in range(0, len(copies), 400):
        parts: dict[tuple[str, str], list[Any]] = {}
        for copied in copies[start : start + 400]:
            parts.setdefault((copied.org, copied.day), []).append(copied)
        for (org, day), together in parts.items():
            key = f"{raw.partition(org, contract.category, day)}/shard-{start}.parquet"
            running.s3.put_object(Bucket=LAKE, Key=key, Body=raw.to_parquet(together))


@pytest.mark.parametrize("table", NAMES)
@pytest.mark.usefixtures("bundle")
def test_thousands_of_rows_with_copies_are_equal(table: str) -> None:
    stores = Stores(MemoryDynamoDB(like={"Again": table}), MemoryS3())
    fill(stores, 2500, random.Random(1))
    assert rebuilding(stores, table).run() == 2500
    assert different(stores, table) == 0
    assert len(stores.dynamodb.tables["Again"]) == 2500


def test_of_two_copies_the_one_received_first_stands(running: Platform) -> None:
    event = events.order()
    running.post(event)
    running.settle()
    (key,) = running.objects("raw/events/")
    table = pq.read_table(io.BytesIO(running.objects(key)[key]))
    row = table.to_pylist()[0]
    later = pa.Table.from_pylist(
        [{**row, "received_at": row["received_at"] + timedelta(seconds=9)}], schema=raw.SCHEMA
    )
    for name in ("0", "z"):  # before and behind the first copy in the order of keys
        sink = io.BytesIO()
        pq.write_table(later, sink)
        running.s3.put_object(
            Bucket=LAKE, Key=f"{key.rpartition('/')[0]}/{name}.parquet", Body=sink.getvalue()
        )
    assert rebuilt(running, "Events") == (1, 0)


def test_what_differs_or_is_missing_on_either_side_is_counted(running: Platform) -> None:
    sent = [events.order() for _ in range(4)]
    running.post(sent)
    running.settle()
    key = {"eventId": running.rows("Events")[0]["eventId"]}
    create_table(running.dynamodb, tables.Events, "Again", like=None)
    rebuilding(running, "Events").run()
    assert different(running, "Events") == 0
    row = running.dynamodb.get_item(TableName="Events", Key=key)["Item"]
    running.dynamodb.put_item(TableName="Again", Item={**row, "requestId": {"S": "another"}})
    assert different(running, "Events") == 1
    running.dynamodb.delete_item(TableName="Again", Key=key)
    assert different(running, "Events") == 1
    running.dynamodb.put_item(TableName="Again", Item={**row, "eventId": {"S": "org_acme#new"}})
    assert different(running, "Events") == 2
    over = {"N": str(clock.epoch(clock.now()) - 1)}
    running.dynamodb.put_item(
        TableName="Again", Item={**row, "eventId": {"S": "org_acme#new"}, "expiresAt": over}
    )
    assert different(running, "Events") == 1


def test_rows_past_their_expiry_stay_away(running: Platform) -> None:
    running.post([events.order(), events.health_check(timestamp=events.moment(timedelta(days=-0.005)))])
    running.settle()
    work = rebuilding(running, "Events")
    first, second = sorted(int(row["expiresAt"]["N"]) for row in running.rows("Events"))
    work._now = first
    create_table(running.dynamodb, tables.Events, "Again", like=None)
    assert work.run() == 1
    assert [int(row["expiresAt"]["N"]) for row in running.rows("Again")] == [second] != [first]


def test_a_rebuild_that_was_cut_off_goes_on_where_it_was(
    running: Platform,
) -> None:
    running.post([events.order(), events.health_check(), events.order()])
    running.post(events.order(), org=GLOBEX)
    running.settle()
    create_table(running.dynamodb, tables.Events, "Again", like=None)
    folders: list[str] = []

    def cut(folder: str, _: int) -> None:
        folders.append(folder)
        if len(folders) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuilding(running, "Events").run(cut)
    assert list(running.objects(PROGRESS))
    assert rebuilding(running, "Events").run(lambda folder, _: folders.append(folder)) == 4
    assert len(folders) == len(set(folders)) == 3
    assert len(running.rows("Again")) == 4
    assert running.objects(PROGRESS) == {}


@pytest.mark.parametrize("table", NAMES)
def test_the_new_table_has_the_keys_indexes_and_expiry_of_the_old(running: Platform, table: str) -> None:
    create_table(running.dynamodb, getattr(tables, table), "Again", like=None)
    old, new = (running.dynamodb.describe_table(TableName=name)["Table"] for name in (table, "Again"))
    assert new["KeySchema"] == old["KeySchema"] == schema(getattr(tables, table))["KeySchema"]

    def indexes(of: dict[str, Any]) -> dict[str, Any]:
        return {
            one["IndexName"]: (one["KeySchema"], one["Projection"]) for one in of["GlobalSecondaryIndexes"]
        }

    assert indexes(new) == indexes(old)
    ttl = running.dynamodb.describe_time_to_live(TableName="Again")["TimeToLiveDescription"]
    assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", "expiresAt")


@pytest.mark.parametrize("table", NAMES)
def test_rows_whose_keys_say_milliseconds_are_moved_and_equal(running: Platform, table: str) -> None:
    at = (clock.now() - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S")
    sent = [events.order(timestamp=f"{at}.123{digits}Z") for digits in ("", "4", "456", "999")]
    running.post(sent)
    running.settle()
    names = ("eventId",) if table == "Events" else ("userKey", "sortKey")
    written = running.rows(table)
    for row in written[:3]:
        running.dynamodb.delete_item(TableName=table, Key={name: row[name] for name in names})
        before = {"S": keys.of_milliseconds(row["sortKey"]["S"])}
        running.dynamodb.put_item(TableName=table, Item={**row, "sortKey": before})
    assert rebuilt(running, table) == (4, 0)
    copy = by_key(running, "Again", table)
    for row in written:
        made = copy[tuple(row[name]["S"] for name in names)]
        assert {**made, "body": None} == {**row, "body": None}
    # What stands in one of the two only is seen whatever its width.
    gone, kept = written[0], written[3]
    for row, there in ((gone, "Again"), (kept, table)):
        running.dynamodb.delete_item(TableName=there, Key={name: row[name] for name in names})
    assert different(running, table) == 2


def putting_back(running: Platform, table: str) -> PutBack:
    live = Table(running.dynamodb, table)
    return PutBack(Objects(running.s3, LAKE), registry.load(), table=table, into=live, original=None)


def lose(running: Platform, table: str, row: dict[str, Any]) -> None:
    running.dynamodb.delete_item(TableName=table, Key={name: row[name] for name in KEYS[table]})


@pytest.mark.parametrize("table", NAMES)
def test_what_a_table_lacks_is_put_back_whole_and_nothing_else_is_touched(
    scoring: Platform, table: str
) -> None:
    scoring.post([*events.mixed(30, random.Random(7)), events.order(correlationId="c#1%", userId="usr_4711")])
    shared = events.order()
    for org in ("org_acme", GLOBEX):
        scoring.post([shared], org=org)
    scoring.settle()
    before = by_key(scoring, table, table)
    rng = random.Random(3)
    (own,) = (
        row for key, row in before.items() if shared["eventId"] in "".join(key) and GLOBEX in "".join(key)
    )
    changed, *lost = rng.sample([row for row in before.values() if row is not own], 8)
    scoring.dynamodb.put_item(TableName=table, Item={**changed, "requestId": {"S": "written since"}})
    for row in (own, *lost):
        lose(scoring, table, row)
    work = putting_back(scoring, table)
    assert work.missing() == 8
    assert len(scoring.rows(table)) == len(before) - 8
    assert work.run() == 8
    after = by_key(scoring, table, table)
    assert after.keys() == before.keys()
    for row in (own, *lost):
        key = tuple(row[name]["S"] for name in KEYS[table])
        # With every key of an index; a pointer's own time is that of its new write.
        assert {**after[key], "body": None, "projectedAt": None} == {**row, "body": None, "projectedAt": None}
    assert after[tuple(changed[name]["S"] for name in KEYS[table])]["requestId"]["S"] == "written since"
    assert (putting_back(scoring, table).run(), work.missing()) == (0, 0)


def test_a_row_that_comes_while_others_are_put_back_stays(running: Platform) -> None:
    running.post([events.order(), events.order()])
    running.settle()
    first, second = running.rows("Events")
    for row in (first, second):
        lose(running, "Events", row)
    work = putting_back(running, "Events")
    insert = work._insert

    def insert_late(item: Any) -> bool:
        if item["eventId"] == first["eventId"]:
            running.dynamodb.put_item(TableName="Events", Item={**first, "requestId": {"S": "a client"}})
        return insert(item)

    work._insert = insert_late  # type: ignore[method-assign]
    assert work.run() == 1
    assert by_key(running, "Events", "Events")[(first["eventId"]["S"],)]["requestId"]["S"] == "a client"


def test_of_two_copies_the_one_received_first_is_put_back_and_expired_rows_are_not(running: Platform) -> None:
    event = events.order()
    running.post([event, events.health_check(timestamp=events.moment(timedelta(days=-0.005)))])
    running.settle()
    first, second = sorted(running.rows("Events"), key=lambda row: int(row["expiresAt"]["N"]))
    order = next(row for row in (first, second) if row["eventType"]["S"] == "order.created")
    key = next(key for key in running.objects("raw/events/") if "business" in key)
    row = pq.read_table(io.BytesIO(running.objects(key)[key])).to_pylist()[0]
    later = {**row, "received_at": row["received_at"] + timedelta(seconds=9), "request_id": "later"}
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([later], schema=raw.SCHEMA), sink)
    # In front of the first copy in the order of keys.
    running.s3.put_object(Bucket=LAKE, Key=f"{key.rpartition('/')[0]}/0.parquet", Body=sink.getvalue())
    for lost in (first, second):
        lose(running, "Events", lost)
    work = putting_back(running, "Events")
    work._now = int(first["expiresAt"]["N"])
    assert (work.missing(), work.run()) == (1, 1)
    assert [one["expiresAt"] for one in running.rows("Events")] == [second["expiresAt"]]
    work._now = 0
    work.run()
    put = by_key(running, "Events", "Events")[(order["eventId"]["S"],)]
    assert put["requestId"] == order["requestId"] != {"S": "later"}


def test_putting_back_goes_on_after_it_was_killed(running: Platform) -> None:
    running.post([events.order(), events.health_check(), events.order()])
    running.settle()
    for row in running.rows("Events"):
        lose(running, "Events", row)

    def cut(_folder: str, _rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        putting_back(running, "Events").run(cut)
    put = len(running.rows("Events"))
    assert 0 < put < 3
    assert putting_back(running, "Events").run() == 3 - put
    assert len(running.rows("Events")) == 3


@pytest.mark.parametrize("arguments", [[], ["--into", "New", "--swap"], ["--into", "New", "--dry-run"]])
def test_a_rebuild_names_where_it_writes(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rebuild", "--table", "Events", *arguments]) == 2
    assert "--swap" in capsys.readouterr().err
