"""Sources of two tenants, feature views of them, and an online store that is materialized hour by hour."""

import random
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pyarrow as pa
import pytest

from millrace.core import clock
from millrace.core.table import Table
from millrace.features.materialize import EntityResult, Materializer
from millrace.features.offline import OfflineStore
from millrace.features.online import OnlineStore
from millrace.features.online_writer import OnlineWriter
from millrace.features.rows import defaults
from millrace.features.views import Feature, FeatureGroup, FeatureView, FeatureViews

TABLE, ACME, GLOBEX = "FeatureStore", "org_acme", "org_globex"
START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR, DAY = 3_600_000_000, 86_400_000_000
ODD = ["Nile", "Ärger & Söhne", "a#b", "a%23b", "🦊", "42", "42.0", "", " ", "x" * 2_000, "'; DROP TABLE x"]
Row = tuple[int | None, str | None, datetime, float | None, bool | None, str | None]


def feature(name: str, aggregate: Any, column: str | None, window: int | None, **more: Any) -> Feature:
    return Feature(
        name, aggregate, column, window, **{"offset_us": 0, "default": None, "kind": "double", **more}, description="-"
    )  # fmt: skip


def group(key: str, *features: Feature, delay: int = 0) -> FeatureGroup:
    return FeatureGroup("silver.sale_v1", key, "happened", ("event_id",), delay, None, features)


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
    ) -> tuple[EntityResult, ...]:
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
        answer = store.get_online_features(
            org, features=EVERY, entity_rows=list(entity_rows), full_feature_names=True
        )
        return [[(one.value, one.status) for one in row] for row in answer.rows]

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
        wanted, served = self.offline(org, at, asked), self.served(org, asked)
        plain = [value for view in (USER, SHOP) for value in defaults(view).values()]
        for entity, values, rows in zip(asked, wanted, served, strict=True):
            for name, default, value, (got, status) in zip(EVERY, plain, values, rows, strict=True):
                assert got == pytest.approx(value, rel=1e-12, abs=1e-9) if isinstance(value, float) else got == value, (
                    entity, name,
                )  # fmt: skip
                assert status in ("ok", "missing"), (entity, name)
                assert status == "ok" or got == default, (entity, name)


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
