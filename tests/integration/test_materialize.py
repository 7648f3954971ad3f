"""From sources to the online store and back: what is served is what the offline store says at `asOf`, whatever happens between."""

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pyarrow as pa
import pytest
from moto import mock_aws

from millrace.core import clock
from millrace.core.table import Table
from millrace.eventstore.tables import FeatureStore
from millrace.features.materialize import Materializer, ViewResult
from millrace.features.offline import OfflineStore
from millrace.features.online import OnlineStore
from millrace.features.online_writer import OnlineWriter
from millrace.features.rows import defaults
from millrace.features.views import Feature, FeatureView, FeatureViews, Group

pytestmark = pytest.mark.integration
TABLE, ACME, GLOBEX = "FeatureStore", "org_acme", "org_globex"
START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR, DAY = 3_600_000_000, 86_400_000_000
ODD = ["Nile", "Ärger & Söhne", "a#b", "a%23b", "🦊", "42", "42.0", "", " ", "x" * 2_000, "'; DROP TABLE x"]
Row = tuple[int | None, str | None, datetime, float | None, bool | None, str | None]


def feature(name: str, aggregate: Any, column: str | None, window: int | None, **more: Any) -> Feature:
    return Feature(
        name, aggregate, column, window, **{"offset_us": 0, "default": None, "kind": "double", **more}, description="-"
    )  # fmt: skip


def group(key: str, *features: Feature, delay: int = 0) -> Group:
    return Group("silver.sale_v1", key, "happened", ("event_id",), delay, None, features)


USER = FeatureView(
    "user", "1.0.0", "u1", "", "", "user", "user_id",
    (group("user_id", feature("count_1h", "count", None, HOUR, default=0, kind="long"), feature("count", "count", None, None, default=0, kind="long"), feature("spent", "sum", "amount", DAY, default=0.0), feature("since", "since", None, DAY)),
     group("user_id", feature("bad", "share", "bad", DAY, default=0.0), delay=2 * HOUR)), (), ())  # fmt: skip
SHOP = FeatureView(
    "shop", "1.0.0", "s1", "", "", "shop", "shop",
    (group("shop", feature("mean_2h", "mean", "amount", 2 * HOUR), feature("most", "max", "amount", DAY), feature("spread", "stddev", "amount", DAY), feature("label", "latest", "label", None, kind="string", default="none"), feature("newest", "latest", "amount", 3 * HOUR)),), (), ())  # fmt: skip
VIEWS = FeatureViews([USER, SHOP])
EVERY = [f"{one.name}:{name}" for one in (USER, SHOP) for name in one.features]


class World:
    """Sources of two tenants, an online store, and a clock that is set."""

    def __init__(self, folder: Path) -> None:
        self.dynamodb = boto3.client("dynamodb")
        self.folder, self.now = folder, START
        self.rows: dict[str, list[Row]] = {ACME: [], GLOBEX: []}
        self.views = VIEWS
        self.puts = 0
        # Called before each row that is put.
        self.before_put: Callable[[], None] = lambda: None

    def put_item(self, **call: Any) -> Any:
        self.puts += 1
        self.before_put()
        return self.dynamodb.put_item(**call)

    def __getattr__(self, operation: str) -> Any:
        return getattr(self.dynamodb, operation)

    def connection(self, org: str, until: datetime | None = None) -> duckdb.DuckDBPyConnection:
        """One tenant's sales as they are in the lake; `until`: as they were."""
        made = duckdb.connect(config={"threads": 1})
        kinds = (pa.int64(), pa.string(), pa.timestamp("us", tz="UTC"), pa.float64(), pa.bool_(), pa.string())
        names = ("user_id", "shop", "happened", "amount", "bad", "label")
        held = [row for row in self.rows[org] if until is None or row[2] < until]
        columns = {
            name: pa.array([row[place] for row in held], kind)
            for place, (name, kind) in enumerate(zip(names, kinds, strict=True))
        }
        table = pa.table({**columns, "event_id": [f"{place:06}" for place in range(len(held))]})
        made.execute("CREATE SCHEMA silver")
        made.register("given", table)
        made.execute("CREATE TABLE silver.sale_v1 AS FROM given")
        return made

    def run(
        self, org: str, at: datetime, run: str | None = None, until: datetime | None = None
    ) -> tuple[ViewResult, ...]:
        """A materialization as of a moment, in an hour's run of its own."""
        self.now = max(self.now, at)
        writer = OnlineWriter(Table(self, TABLE), in_flight=16, now=lambda: self.now)
        with self.connection(org, until) as connection:
            place = lambda view, tenant, token: str(self.folder / f"{view}-{tenant}-{token}.parquet")  # noqa: E731
            return Materializer(connection, self.views, writer, place).materialize(
                org, run or f"run-{at:%dT%H%M}", clock.utc_text(at)
            )

    def served(self, org: str, entity_rows: Iterable[Mapping[str, object]]) -> list[list[tuple[Any, str]]]:
        store = OnlineStore(Table(self.dynamodb, TABLE), self.views, lambda: self.now)
        found = store.get_online_features(
            org, features=EVERY, entity_rows=list(entity_rows), full_feature_names=True
        )
        return [[(one.value, one.status) for one in row] for row in found.rows]

    def offline(self, org: str, at: datetime, entity_rows: list[dict[str, Any]]) -> list[list[Any]]:
        """What the offline store says of them at a moment."""
        frame = pa.table(
            {
                "user_id": pa.array([row["user_id"] for row in entity_rows], pa.int64()),
                "shop": pa.array([row["shop"] for row in entity_rows], pa.string()),
                "event_timestamp": pa.array([at] * len(entity_rows), pa.timestamp("us", tz="UTC")),
            }
        )
        with self.connection(org) as connection:
            answer = OfflineStore(connection, self.views).get_historical_features(
                frame, EVERY, full_feature_names=True
            )
        columns = [answer[name.replace(":", "__")].to_pylist() for name in EVERY]
        return [list(row) for row in zip(*columns, strict=True)]

    def entities(self) -> list[dict[str, Any]]:
        """Every entity of either tenant, and some that nobody has seen."""
        users = sorted({row[0] for rows in self.rows.values() for row in rows if row[0] is not None})
        # Those too whose sales are not there any more.
        shops = sorted({*ODD, *(row[1] for rows in self.rows.values() for row in rows if row[1] is not None)})
        pairs = [(user, shops[place % len(shops)]) for place, user in enumerate([*users, 10**12, -1])]
        pairs += [(10**12, shop) for shop in [*shops, "nobody", "042", "42.00"]]
        return [{"user_id": user, "shop": shop} for user, shop in pairs]

    def must_serve(self, org: str, at: datetime) -> None:
        """Every value that is served is the offline store's at that moment, to the last digit that JSON has."""
        asked = self.entities()
        wanted, found = self.offline(org, at, asked), self.served(org, asked)
        plain = [value for view in (USER, SHOP) for value in defaults(view).values()]
        for entity, values, rows in zip(asked, wanted, found, strict=True):
            for name, default, value, (got, status) in zip(EVERY, plain, values, rows, strict=True):
                assert got == pytest.approx(value, rel=1e-12, abs=1e-9) if isinstance(value, float) else got == value, (
                    entity, name,
                )  # fmt: skip
                assert status in ("ok", "missing"), (entity, name)
                assert status == "ok" or got == default, (entity, name)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with mock_aws():
        FeatureStore.create_table(billing_mode="PAY_PER_REQUEST")
        yield World(tmp_path)


def sales(rng: random.Random, count: int, users: int, hours: int) -> list[Row]:
    amounts = [None, float("nan"), float("inf"), 0.0, 0.1]
    return [
        (
            rng.choice([None, *range(users)]) if rng.random() < 0.05 else rng.randrange(users),
            rng.choice([*ODD, None, *(f"shop {number}" for number in range(20))]),
            START + timedelta(microseconds=rng.randrange(hours * HOUR)),
            rng.choice(amounts) if rng.random() < 0.1 else rng.randrange(1, 50_000) / 100,
            rng.choice([True, False, False, None]),
            rng.choice(["red", "blue", "'green'", None]),
        )
        for _ in range(count)
    ]


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def test_what_is_served_is_what_the_offline_store_says_hour_by_hour(world: World) -> None:
    rng = random.Random(11)
    for org in (ACME, GLOBEX):
        world.rows[org] = sales(rng, 1_500, 300, 40)
    wholes = []
    # Rows come, fall out of windows of one hour, two and a day, and are not there any more at last.
    for hour in (10, 11, 12, 20, 42, 60, 68, 90):
        for org in (ACME, GLOBEX):
            done = world.run(org, at(hour))
            assert [one.status for one in done] == ["complete", "complete"]
            wholes += [one.whole for one in done]
        for org in (ACME, GLOBEX):
            world.must_serve(org, at(hour))
    assert wholes == [True] * 4 + [False] * 28


def test_only_what_changed_is_written(world: World) -> None:
    world.rows[ACME] = [(user, None, at(1), 5.0, False, None) for user in range(200)]
    assert [one.written for one in world.run(ACME, at(2))] == [0, 200]
    before = world.puts
    # An hour later nothing was sold but to two; and of all others time alone has gone on.
    world.rows[ACME] += [(3, None, at(2.5), 1.0, False, None), (777, None, at(2.5), 1.0, False, None)]
    done = {one.view: one for one in world.run(ACME, at(2.9), until=at(2.9))}
    assert (done["user"].written, done["user"].entities, world.puts - before) == (200 + 1, 201, 201)
    before = world.puts
    done = {one.view: one for one in world.run(ACME, at(3.4))}
    assert (done["user"].written, world.puts - before) == (0, 0)
    world.must_serve(ACME, at(3.4))
    (row,) = world.served(ACME, [{"user_id": 5, "shop": "nobody"}])
    assert row[EVERY.index("user:since")] == (2.4 * 3600, "ok")


def test_rows_are_written_whole_every_week_and_outlive_it(world: World) -> None:
    world.rows[ACME] = [(1, "Nile", at(1), 5.0, True, "red")]
    assert all(one.whole for one in world.run(ACME, at(2)))
    assert not any(one.whole for one in world.run(ACME, at(2 + 7 * 24 - 1)))
    assert all(one.whole for one in world.run(ACME, at(2 + 7 * 24)))
    scan = world.dynamodb.scan(TableName=TABLE)["Items"]
    kept = [int(item["expiresAt"]["N"]) for item in scan if "values" in item]
    assert min(kept) == clock.epoch(at(2 + 7 * 24) + timedelta(days=14))


def test_the_definitions_are_found_by_name_and_type(world: World) -> None:
    world.run(ACME, at(2))
    found = world.dynamodb.query(
        TableName=TABLE,
        IndexName="featureName-dataType-index",
        KeyConditionExpression="featureName = :name AND dataType = :kind",
        ExpressionAttributeValues={":name": {"S": "label"}, ":kind": {"S": "string"}},
    )["Items"]
    assert [item["featureKey"]["S"] for item in found] == ["org_acme#definition#shop#label"]


def test_an_older_run_changes_nothing(world: World) -> None:
    world.rows[ACME] = sales(random.Random(1), 300, 50, 10)
    world.run(ACME, at(10))
    before = world.dynamodb.scan(TableName=TABLE)["Items"]
    assert [one.status for one in world.run(ACME, at(9))] == ["unchanged", "unchanged"]
    # Nor does the same one, done again.
    assert [one.status for one in world.run(ACME, at(10))] == ["unchanged", "unchanged"]
    assert world.dynamodb.scan(TableName=TABLE)["Items"] == before


class _Killed(BaseException):
    """No code of ours runs after it."""


def die_after(world: World, puts: int) -> None:
    count, lock = iter(range(puts)), threading.Lock()

    def before_put() -> None:
        with lock:
            if next(count, None) is None:
                raise _Killed

    world.before_put = before_put


@pytest.mark.parametrize("puts", [0, 1, 20, 60])
@pytest.mark.parametrize("same_run", [True, False])
def test_a_run_that_is_killed_and_retried_ends_as_one_without_a_fault(
    world: World, puts: int, same_run: bool
) -> None:
    world.rows[ACME] = sales(random.Random(2), 900, 150, 20)
    world.run(ACME, at(10), until=at(10))
    die_after(world, puts)
    with pytest.raises(_Killed):
        world.run(ACME, at(11), "r", until=at(11))
    world.before_put = lambda: None
    begun = {
        item["featureKey"]["S"].rpartition("#")[2]
        for item in world.dynamodb.scan(TableName=TABLE)["Items"]
        if "startedAt" in item
    }
    assert len(begun) == 1
    if same_run:
        # The step is tried again at once.
        done, end = world.run(ACME, at(11), "r", until=at(11)), at(11)
    else:
        # The next hour's; of rows that the dead one alone has seen, nothing is left.
        done, end = world.run(ACME, at(12), "s", until=at(10.5)), at(12)
        world.rows[ACME] = [row for row in world.rows[ACME] if row[2] < at(10.5)]
    # Who was dead is written whole; who had come to an end stands.
    assert {one.view for one in done if one.whole} == begun
    assert {one.status for one in done} <= {"complete", "unchanged"}
    world.must_serve(ACME, end)


def in_the_middle(world: World, puts: int, act: Callable[[], None]) -> threading.Event:
    """Lets something happen once, before the row behind so many is put."""
    left, happened, lock = iter(range(puts)), threading.Event(), threading.Lock()

    def before_put() -> None:
        with lock:
            if next(left, None) is None and not happened.is_set():
                happened.set()
                world.before_put = lambda: None
                act()

    world.before_put = before_put
    return happened


@pytest.mark.parametrize("puts", [0, 10, 40])
def test_a_later_run_takes_over_from_one_that_is_still_writing(world: World, puts: int) -> None:
    world.rows[ACME] = sales(random.Random(4), 900, 150, 30)
    world.run(ACME, at(10), until=at(10))
    later: list[ViewResult] = []

    def take_over() -> None:
        # What only the first has seen is gone: a shop and its sales.
        world.rows[ACME] = [row for row in world.rows[ACME] if row[1] != "Nile"]
        later.extend(world.run(ACME, at(30), "second"))

    happened = in_the_middle(world, puts, take_over)
    first = {one.view: one for one in world.run(ACME, at(11), "first", until=at(11))}
    assert happened.is_set()
    assert {one.status for one in later} == {"complete"}
    taken = [one for one in first.values() if one.status == "failed"]
    assert len(taken) == 1
    assert "another run has taken over" in str(taken[0].error)
    # Tried again, the first finds that there is nothing for it to do.
    assert {one.status for one in world.run(ACME, at(11), "first", until=at(11))} == {"unchanged"}
    world.must_serve(ACME, at(30))
    # And the next hour compares with what the second wrote.
    assert not any(one.whole for one in world.run(ACME, at(31)))
    world.must_serve(ACME, at(31))


@pytest.mark.parametrize("dies", [False, True])
def test_an_older_run_waits_for_the_later_one_that_has_begun(world: World, dies: bool) -> None:
    world.rows[ACME] = sales(random.Random(3), 600, 100, 14)
    world.run(ACME, at(10), until=at(10))
    older: list[ViewResult] = []

    def come_late() -> None:
        older.extend(world.run(ACME, at(11), "older", until=at(11)))
        if dies:
            raise _Killed

    happened = in_the_middle(world, 5, come_late)
    if dies:
        with pytest.raises(_Killed):
            world.run(ACME, at(11.5), "later", until=at(11.5))
    else:
        done = {one.view: one.status for one in world.run(ACME, at(11.5), "later", until=at(11.5))}
        assert done == {"shop": "complete", "user": "complete"}
    assert happened.is_set()
    assert {one.view: one.status for one in older} == {"shop": "failed", "user": "complete"}
    assert "later/" in str(older[0].error)
    if not dies:
        world.must_serve(ACME, at(11.5))
    wholes = {one.view: one.whole for one in world.run(ACME, at(12.5))}
    assert wholes == {"shop": dies, "user": False}
    world.must_serve(ACME, at(12.5))


def test_a_new_version_is_expired_until_it_is_written(world: World) -> None:
    world.rows[ACME] = [(1, "Nile", at(1), 5.0, True, "red")]
    world.run(ACME, at(2))
    world.views = FeatureViews([replace(USER, version="1.1.0", digest="u2"), SHOP])
    (row,) = world.served(ACME, [{"user_id": 1, "shop": "Nile"}])
    assert {status for _, status in row[: len(USER.features)]} == {"expired"}
    assert {status for _, status in row[len(USER.features) :]} == {"ok"}
    done = {one.view: one.whole for one in world.run(ACME, at(3))}
    assert done == {"shop": False, "user": True}
    world.must_serve(ACME, at(3))


def test_a_state_that_is_lost_is_written_anew(world: World) -> None:
    world.rows[ACME] = sales(random.Random(5), 200, 30, 10)
    world.run(ACME, at(10))
    for path in world.folder.iterdir():
        path.unlink()
    assert {(one.status, one.whole) for one in world.run(ACME, at(11))} == {("complete", True)}
    world.must_serve(ACME, at(11))


def test_a_view_that_fails_is_named_and_the_others_are_written(world: World) -> None:
    world.rows[ACME] = [(1, "Nile", at(1), 5.0, True, "red")]
    (wrong,) = (replace(SHOP.groups[0], table="silver.nothing_v1"),)
    world.views = FeatureViews([replace(SHOP, groups=(wrong,)), USER])
    done = {one.view: one for one in world.run(ACME, at(2))}
    assert (done["shop"].status, done["user"].status) == ("failed", "complete")
    assert "nothing_v1" in str(done["shop"].error)
    # What it began and did not end, is done when it can be.
    world.views = VIEWS
    world.now = at(3)
    assert {one.status for one in world.run(ACME, at(3))} == {"complete"}
    world.must_serve(ACME, at(3))


def test_a_table_that_throttles_fails_the_view_and_the_next_run_makes_good(world: World) -> None:
    world.rows[ACME] = sales(random.Random(6), 300, 60, 10)
    count, lock = iter(range(20)), threading.Lock()

    def throttle() -> None:
        with lock:
            if next(count, None) is None:
                raise world.dynamodb.exceptions.ProvisionedThroughputExceededException(
                    {"Error": {"Code": "ProvisionedThroughputExceededException"}}, "PutItem"
                )

    world.before_put = throttle
    assert {one.status for one in world.run(ACME, at(10), "r")} == {"failed"}
    world.before_put = lambda: None
    assert {one.status for one in world.run(ACME, at(10), "r")} == {"complete"}
    world.must_serve(ACME, at(10))


def test_tenants_do_not_meet(world: World) -> None:
    world.rows[ACME] = [(1, "Nile", at(1), 5.0, True, "red")]
    world.run(ACME, at(2))
    world.run(GLOBEX, at(2))
    (row,) = world.served(GLOBEX, [{"user_id": 1, "shop": "Nile"}])
    assert {status for _, status in row} == {"missing"}
    world.must_serve(GLOBEX, at(2))
    world.must_serve(ACME, at(2))
