"""Tables of a run, pinned: the same document for whoever asks, and one tenant's rows behind its views."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from millrace.contracts import registry
from millrace.core.errors import PermanentError, RetryableError
from millrace.core.objects import Objects
from millrace.features import views as feature_views
from millrace.lake.sources import Pinner, open_views, portion, portions, tenants
from millrace.runs.documents import Input, InputFile, Sources
from millrace.runs.store import RunStore
from tests.support.stores import MemoryS3

ORDERS, FACTS = "silver.order_created_v1", "marts.fct_transactions"
AT = datetime(2026, 11, 21, 10, 6, tzinfo=UTC)


@dataclass(frozen=True)
class Table:
    """What is asked of an Iceberg table here."""

    snapshot_id: int
    orgs: tuple[str, ...]

    def files(self) -> list[Any]:
        @dataclass
        class File:
            org: str
            path: str
            day: str = "2026-11-20"
            rows: int = 1
            bytes: int = 100

        return [File(org, f"s3://lake/{org}.parquet") for org in reversed(self.orgs)]


def pinner(s3: MemoryS3, tables: dict[str, Table], now: datetime = AT) -> Pinner:
    return Pinner(RunStore(Objects(s3, "lake")), tables.get, registry.load().tables(), lambda: now)  # type: ignore[arg-type]


def test_a_run_that_asks_again_gets_the_same(bundle: Path) -> None:
    s3, tables = MemoryS3(), {FACTS: Table(1, ("org_b", "org_a"))}
    first = pinner(s3, tables).pin("r1", (FACTS, ORDERS))
    assert (first.run, first.at) == ("r1", "2026-11-21T10:06:00.000Z")
    assert [(one.table, one.snapshot) for one in first.inputs] == [(FACTS, 1), (ORDERS, None)]
    assert [file.org for file in first.inputs[0].files] == ["org_a", "org_b"]
    assert tenants(first) == ("org_a", "org_b")
    # Both tables have moved on meanwhile.
    tables |= {FACTS: Table(2, ("org_c",)), ORDERS: Table(3, ("org_c",))}
    assert pinner(s3, tables, AT + timedelta(hours=1)).pin("r1", (FACTS, ORDERS)) == first
    assert tenants(pinner(s3, tables).pin("r2", (FACTS, ORDERS))) == ("org_c",)


@pytest.mark.parametrize(("tenants_", "count"), [(0, 0), (1, 1), (200, 200), (201, 200), (10_000, 200)])
def test_every_tenant_is_in_one_portion_and_alone_while_there_are_few(tenants_: int, count: int) -> None:
    orgs = [f"org_{number:05}" for number in range(tenants_)]
    assert portions(orgs, 200) == count
    parts = [portion(orgs, number, count) for number in range(count)]
    assert [org for part in parts for org in part] == orgs
    assert max(map(len, parts), default=0) - min(map(len, parts), default=0) <= 1
    with pytest.raises(PermanentError, match="no portion"):
        portion(orgs, count, count)


def test_views_read_only_tables_that_a_contract_describes(bundle: Path) -> None:
    assert set(feature_views.load().sources()) >= {FACTS, ORDERS}
    pinned = pinner(MemoryS3(), {}).pin("r1", feature_views.load().sources())
    assert [one.table for one in pinned.inputs] == list(feature_views.load().sources())
    assert tenants(pinned) == ()


def test_what_cannot_be_pinned_leaves_no_document(bundle: Path) -> None:
    s3 = MemoryS3()
    with pytest.raises(PermanentError, match=r"no contract describes a table silver\.nothing_v1"):
        pinner(s3, {}).pin("r1", ("silver.nothing_v1",))

    def unanswered(name: str) -> None:
        raise OSError("timed out")

    broken = Pinner(RunStore(Objects(s3, "lake")), unanswered, registry.load().tables())
    with pytest.raises(RetryableError, match="timed out"):
        broken.pin("r1", (FACTS,))
    assert s3.objects == {}


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as made:
        yield made


def test_a_tenant_s_views_hold_its_rows_and_nobody_else_s(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    # A file that says it is of one tenant and holds a row of another.
    path = str(tmp_path / "a.parquet")
    connection.execute(
        f"COPY (SELECT * FROM (VALUES ('org_a', 1), ('org_a', 2), ('org_b', 3)) AS t(org_id, amount)) TO '{path}'"
    )
    columns = (("org_id", "VARCHAR"), ("amount", "BIGINT"), ("added_later", "VARCHAR"))
    pinned = Sources("r1", "", (Input("silver.x", 1, columns, (InputFile(path, "org_a", None),)),))
    open_views(connection, pinned, "org_a")
    assert connection.sql("SELECT amount, added_later FROM silver.x ORDER BY 1").fetchall() == [
        (1, None),
        (2, None),
    ]
    open_views(connection, pinned, "org_b")
    assert connection.sql("SELECT * FROM silver.x").fetchall() == []
