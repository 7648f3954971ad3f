"""Releases of two tenants over files on disk: each of its own rows, made once, in the audit, refused where it would tell of somebody."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest

from millrace.anonymised import releases as module
from millrace.anonymised.definition import Anonymised, load
from millrace.anonymised.grouping import Group, TooFewPeopleError
from millrace.anonymised.releases import NotSettledError, Releases, UnknownReleaseError
from millrace.anonymised.risk import ReidentificationError
from millrace.catalog.store import CatalogStore
from millrace.contracts.columns import duckdb_type
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.queries.iceberg import LakeFile
from millrace.queries.service import Limits
from tests.support.queries import DiskSnapshot, DiskTables
from tests.support.stores import MemoryDynamoDB, MemoryS3

NAME, PERIOD = "orders_by_month", "2026-10"
NOW = datetime(2026, 11, 20, tzinfo=UTC)
# Tenant → orders of its month; each is of another person but for every third.
ORDERS = {"org_a": 90, "org_b": 60, "org_c": 6}


class Orders:
    """`marts.orders_enriched`: one file a tenant."""

    name = "marts.orders_enriched"

    def __init__(self, folder: Path, columns: list[tuple[str, str]]) -> None:
        self.columns, self._folder = columns, folder

    def snapshot(self, *_: object) -> DiskSnapshot:
        return DiskSnapshot(1, NOW)

    def files(self, _: object, org: str | None) -> list[LakeFile]:
        # All tenants' files, whoever asks: the condition on rows has to hold by itself.
        assert org
        return [LakeFile(str(self._file(one)), one, None, 1_000, {}) for one in ORDERS]

    def _file(self, org: str) -> Path:
        path = self._folder / f"{org}.parquet"
        if not path.exists():
            values = {
                "org_id": f"'{org}'",
                "id": "'o' || i",
                "created_at": "TIMESTAMPTZ '2026-10-01 00:00:00+00' + to_hours(CAST(i % 700 AS INTEGER))",
                "currency": "CASE WHEN i % 10 = 0 THEN 'USD' ELSE 'EUR' END",
                "user_id": f"'{org}-' || (i - CASE WHEN i % 3 = 0 THEN i % 2 ELSE 0 END)",
                "category": "CASE WHEN i % 2 = 0 THEN 'coffee' ELSE 'tea' END",
                "item_count": "1 + i % 4",
                "unit_count": "1 + i % 5",
            }
            chosen = ", ".join(
                f'CAST({values.get(name, "NULL")} AS {of}) AS "{name}"' for name, of in self.columns
            )
            duckdb.execute(f"COPY (SELECT {chosen} FROM range({ORDERS[org]}) AS t(i)) TO '{path}'")
        return path


class OrdersTables(DiskTables):
    """A lake with orders only."""

    def _table(self, dataset: str) -> Any:
        described = self._registry.tables()[dataset]
        return Orders(self._folder, [(one.name, duckdb_type(one.type)) for one in described.columns])


class World:
    def __init__(self, folder: Path) -> None:
        self.s3, dynamodb = MemoryS3(), MemoryDynamoDB()
        self.left_out: dict[tuple[str, str], list[str]] = {}
        self.metadata = Table(dynamodb, "Metadata")
        self.releases = Releases(
            load(),
            OrdersTables(folder),
            Objects(self.s3, "lake"),
            self.metadata,
            Limits(500, 500, 100, threads=1, temp_dir=str(folder)),
            lambda: None,
            lambda org, purpose: self.left_out.get((org, purpose), ()),
            lambda: NOW,
        )

    def release(self, org: str = "org_a", period: str = PERIOD) -> dict[str, Any]:
        found = self.releases.release(org, NAME, period, "officer")
        read: dict[str, Any] = orjson.loads(orjson.dumps(found))
        return read

    def audited(self) -> list[str]:
        return [str(item) for item in self.metadata.scan(doing="look") if module.ACTION in str(item)]


@pytest.fixture
def world(bundle: Path, tmp_path: Path) -> World:
    assert (bundle / "anonymised.json").exists()
    return World(tmp_path)


@pytest.fixture
def shipped(bundle: Path) -> Anonymised:
    return load(bundle)[NAME]


def test_a_release_is_of_its_tenants_rows(world: World, shipped: Anonymised) -> None:
    ours, others = world.release("org_a"), world.release("org_b")
    assert [one["rows"][0]["orders"] for one in (ours, others)] == [90, 60]
    assert ours["rows"][0]["units"] == sum(1 + i % 5 for i in range(90))
    assert min(row["people"] for row in (*ours["rows"], *others["rows"])) >= shipped.k
    assert {row["currency"] for row in others["rows"]} == {None}, "USD has 6 people, so EUR is left out, too"
    assert ours["risk"]["prosecutorRisk"] <= 1 / shipped.k
    assert "org_" not in str(ours["rows"])
    assert world.releases.get("org_b", NAME, PERIOD)["rows"] == others["rows"]
    assert [one["periods"] for one in world.releases.listed("org_a")] == [[PERIOD]]
    assert [one["periods"] for one in world.releases.listed("org_c")] == [[]]


def test_the_catalog_says_when_the_newest_release_was_made(world: World) -> None:
    def entries(org: str) -> list[tuple[str, int, str]]:
        store = CatalogStore(world.metadata)
        return [(one.dataset, one.rows, one.at) for one in store.entries(org).values()]

    released = world.release("org_a")
    wanted = [(f"anonymised.{NAME}", len(released["rows"]), released["releasedAt"])]
    assert entries("org_a") == wanted
    assert entries("org_b") == []
    # Whoever was killed before it is asked again.
    world.metadata.delete(
        {"entityTypeKey": {"S": "org_a#catalog#0"}, "entityId": {"S": f"anonymised.{NAME}"}}
    )
    assert world.release("org_a") == released
    assert entries("org_a") == wanted


def test_a_period_is_released_once(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = world.release()
    # One person's orders less: whoever had both releases would know them.
    (tmp_path / "org_a.parquet").unlink()
    monkeypatch.setitem(ORDERS, "org_a", 89)
    assert world.release() == first
    assert len(world.audited()) == 1
    assert "officer" in world.audited()[0]


def test_who_has_withdrawn_is_in_no_group(world: World) -> None:
    of_six = [f"org_a-{number}" for number in range(6)]
    world.left_out["org_a", "analytics"] = of_six
    world.left_out["org_b", "model_training"] = [f"org_b-{number}" for number in range(6)]
    ours, others = world.release("org_a"), world.release("org_b")
    assert (ours["rows"][0]["orders"], others["rows"][0]["orders"]) == (84, 60)


def test_of_two_at_once_the_first_stands(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {"name": NAME, "rows": [], "by": "the other", "releasedAt": "2026-11-20T00:00:00.000Z"}
    put_new = Objects.put_new

    def overtaken(self: Objects, key: str, body: bytes, **how: Any) -> bool:
        self.put(key, orjson.dumps(kept))
        return put_new(self, key, body, **how)

    monkeypatch.setattr(Objects, "put_new", overtaken)
    assert world.release() == kept


@pytest.mark.parametrize(
    ("org", "period", "error"),
    [
        ("org_c", PERIOD, TooFewPeopleError),
        ("org_a", "2026-09", TooFewPeopleError),
        ("org_a", "2026-11", NotSettledError),
        ("org_a", "2027-01", NotSettledError),
        ("org_a", "2026-13", ValueError),
        ("org_a", "2026", ValueError),
    ],
)
def test_what_is_not_released_leaves_nothing(
    world: World, org: str, period: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        world.release(org, period)
    assert world.audited() == []
    assert world.releases.listed(org)[0]["periods"] == []


def test_what_there_is_not_is_said(world: World) -> None:
    with pytest.raises(UnknownReleaseError):
        world.releases.get("org_a", NAME, PERIOD)
    with pytest.raises(UnknownReleaseError):
        world.releases.release("org_a", "nothing", PERIOD, "officer")


def test_a_release_that_fails_the_test_of_reidentification_is_not_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if grouping let a group of six people pass."""
    told = [Group((), 60, (60, 1), 0.1), Group(("USD",), 6, (6, 1), 0.1)]
    monkeypatch.setattr(module, "published", lambda *_: told)
    with pytest.raises(ReidentificationError):
        world.release("org_b")
    assert world.audited() == []
    assert list(Objects(world.s3, "lake").list_objects()) == []
