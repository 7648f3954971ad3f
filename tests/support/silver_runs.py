"""Runs of the worker of silver over raw files in a folder, and what it wrote."""

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from millrace.contracts import columns, derived
from millrace.contracts.columns import Array, Column, Struct, Type, snake
from millrace.contracts.contract import Contract
from millrace.contracts.pointers import parse, read
from millrace.contracts.registry import Registry
from millrace.core import clock
from millrace.core.prefixes import DEAD_LETTERS
from millrace.eventstore.row import StoredEvent
from millrace.lake import duck, raw_to_silver
from millrace.lake.raw_to_silver import Done, SilverTransform
from millrace.runs.documents import Part, Unit
from tests.support.contracts import FILES, compiled
from tests.support.raw_files import BUCKET, RawFiles

DAY, NEXT = "2026-11-20", "2026-11-21"
CONTRACTS = {contract.name: contract for contract in map(compiled, FILES)}
TRANSACTION = CONTRACTS["transaction.created.v1"]
ORDER = CONTRACTS["order.created.v1"]


@pytest.fixture(scope="module")
def registry(bundle: Path) -> Registry:
    """The contracts of this checkout."""
    return Registry(bundle)


@pytest.fixture
def files(tmp_path: Path) -> RawFiles:
    """An empty lake in a folder."""
    return RawFiles(tmp_path / "lake")


@pytest.fixture
def without_checks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Generated values are any of their types and keep no rule: a row that breaks a check stays, as where many do."""
    if "check" not in request.node.name:
        monkeypatch.setattr(raw_to_silver, "MOST_UNFIT", -1)


def transform(files: RawFiles, registry: Registry) -> SilverTransform:
    def connect() -> duckdb.DuckDBPyConnection:
        return duck.connect(memory_mb=400, threads=2, temp_dir=files.root.parent)

    return SilverTransform(connect, registry, BUCKET, root=str(files.root))


def run(files: RawFiles, registry: Registry, buckets: int = 1) -> dict[tuple[str, str], Done]:
    made = transform(files, registry)
    return {
        (day.org, day.day): _joined(
            [made.unit("run-1", Unit(day.org, day.day, bucket, buckets), day) for bucket in range(buckets)]
        )
        for day in files.days()
    }


def _joined(done: list[Done]) -> Done:
    return Done(
        [part for one in done for part in one.parts],
        [part for one in done for part in one.unread],
        [failure for one in done for failure in one.failures],
    )


def rows_of(files: RawFiles, part: Part) -> list[dict[str, Any]]:
    if part.file is None:
        return []
    path = str(files.root) + part.file.removeprefix(f"s3://{BUCKET}")
    with duck.connect(memory_mb=400, threads=2, temp_dir=files.root.parent) as connection:
        cursor = connection.execute(f"SELECT * FROM read_parquet('{path}')")
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def letters(files: RawFiles) -> list[dict[str, Any]]:
    paths = sorted((files.root / DEAD_LETTERS).rglob("*.ndjson"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def expected(stored: StoredEvent, contract: Contract) -> dict[str, Any]:
    """The row that the envelope says, made without SQL."""
    envelope = stored.envelope
    platform = envelope["platform"]
    added = {
        "org_id": platform["orgId"],
        "received_at": clock.parse(platform["receivedAt"]),
        "contract": platform["contract"],
        "derived_from": platform.get("derivedFrom"),
    }
    rules = {rule["column"]: rule for rule in contract.silver}
    return {
        column.name: derived.value(rules[column.name], read(envelope, parse(rules[column.name]["of"])))
        if column.name in rules
        else added[column.name]
        if column.pointer is None
        else _typed(read(envelope, parse(column.pointer)), column.type, _is_text(column))
        for column in columns.columns(contract)
    }


def _is_text(column: Column) -> bool:
    return "object" in column.schema.get("type", ())


def _typed(value: Any, of: Type, is_json: bool = False) -> Any:
    if value is None:
        return None
    if isinstance(of, Array):
        return [_typed(item, of.item) for item in value]
    if isinstance(of, Struct):
        given = {snake(name): part for name, part in value.items()}
        return {name: _typed(given.get(name), part) for name, part, _ in of.fields}
    match of.name:
        case "decimal":
            return Decimal(repr(value)).quantize(Decimal("0.0001"))
        case "int" | "long":
            return int(value)
        case "date":
            return date.fromisoformat(value)
        case "timestamptz":
            return datetime.fromisoformat(value)
        case _:
            return json.dumps(value, sort_keys=True) if is_json else value


def comparable(row: dict[str, Any], contract: Contract) -> dict[str, Any]:
    as_json = {column.name for column in columns.columns(contract) if _is_text(column)}
    return {
        name: json.dumps(json.loads(value), sort_keys=True)
        if name in as_json and value is not None
        else value
        for name, value in row.items()
    }
