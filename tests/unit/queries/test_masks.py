"""Masks hold on every column of every contract, for whoever asks: nothing that is protected is shown in clear."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from millrace.access import visibility
from millrace.access.actions import ALL_DATASETS
from millrace.compiler import samples
from millrace.contracts import registry
from millrace.contracts.contract import PROTECTED
from millrace.contracts.tables import LakeTable
from millrace.core.sql import literal
from millrace.queries.bounds import Days
from millrace.queries.masks import DOCUMENTS, RAW, document, seen, shown
from millrace.queries.materialize import materialize
from millrace.queries.reader import Reader, operator
from tests.support.contracts import FILES, compiled
from tests.support.queries import ORGS, TOKEN, DiskTables, reader

READERS = {
    "all": reader("org_a"),
    "with personal data": reader("org_a", ALL_DATASETS, "personal:read", "personal:detokenise"),
    "marts": reader("org_a", "dataset:marts.*"),
    "own rows": reader("org_a", "own:*"),
    "nothing": reader("org_a", "events:read"),
    "an operator of one tenant": operator("org_a"),
    "an operator": operator(""),
}


@pytest.fixture(scope="module")
def tables(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> DiskTables:
    assert bundle.is_dir()
    return DiskTables(tmp_path_factory.mktemp("lake"))


def _read(
    tables: DiskTables, who: Reader, name: str, folder: Path
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """A table as a query of somebody would find it."""
    source = tables.open(who, name, name, None, Days())
    assert source is not None
    path = folder / "box.duckdb"
    path.unlink(missing_ok=True)
    with duckdb.connect(config={"threads": 1}) as connection:
        materialize(connection, path, [source], None, empty=False)
        connection.execute(f"ATTACH {literal(str(path))} AS box (READ_ONLY)")
        cursor = connection.execute(f"SELECT * FROM box.{name}")
        return [str(column[0]) for column in cursor.description], cursor.fetchall()


@pytest.mark.parametrize("who", READERS)
def test_every_column_of_every_table_is_shown_as_its_class_says(
    tables: DiskTables, who: str, tmp_path: Path
) -> None:
    asked, looked = READERS[who], 0
    for name, table in registry.load().tables().items():
        if not visibility.table_access(asked, name) or not _is_looked_at(who, table):
            continue
        classes = {column.name: column.classification for column in table.columns}
        columns, rows = _read(tables, asked, name, tmp_path)
        assert columns == [one for one, of in classes.items() if of != "restricted"], name
        whose = {row[columns.index("org_id")] for row in rows}
        assert whose <= ({asked.org} if asked.org else set(ORGS)), name
        for place, column in enumerate(columns):
            looked += 1
            values = {row[place] for row in rows}
            if classes[column] in PROTECTED:
                assert values <= {TOKEN, None}, (name, column)
                assert not rows or TOKEN in values, (name, column)
    assert looked or who == "nothing"


def _is_looked_at(who: str, table: LakeTable) -> bool:
    """All tables once; for others those that have something to hide."""
    return who in {"all", "own rows", "marts"} or any(
        column.classification in PROTECTED for column in table.columns
    )


def test_rows_are_those_of_who_asks(tables: DiskTables, tmp_path: Path) -> None:
    for who, count in (("all", 4), ("an operator", 8), ("an operator of one tenant", 4), ("own rows", 0)):
        assert len(_read(tables, READERS[who], "silver.order_created_v1", tmp_path)[1]) == count, who


def test_views_of_staging_show_no_protected_value(tables: DiskTables, tmp_path: Path) -> None:
    names = [name for name in tables.names(READERS["all"]) if name.startswith("staging.")]
    assert len(names) >= 5
    for name in names:
        _, rows = _read(tables, READERS["all"], name, tmp_path)
        assert rows
        assert TOKEN not in str(rows)
        assert "org_b" not in str(rows)


def _protected() -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    for file in FILES:
        contract = compiled(file)
        for event in samples.golden(file):
            yield contract.event_type, event["data"], contract.classification


def test_documents_of_raw_have_all_but_what_is_protected(bundle: Path) -> None:
    assert bundle.is_dir()
    contracts, looked, removed = registry.load().contracts, 0, 0
    protected = {
        (one.event_type, pointer)
        for one in contracts
        for pointer, of in one.classification.items()
        if of in PROTECTED
    }
    with duckdb.connect(config={"threads": 1}) as connection:
        for event_type, data, _ in _protected():
            for column, pointer in DOCUMENTS.items():
                given = data.get(column)
                if given is None:
                    continue
                (found,) = connection.execute(
                    f"SELECT {document(column, contracts)} FROM (SELECT ? AS {column}, ? AS event_type)",
                    [json.dumps(given), event_type],
                ).fetchone() or (None,)
                wanted, gone = _without(given, pointer, {at for of, at in protected if of == event_type})
                assert json.loads(found) == wanted, event_type
                looked, removed = looked + 1, removed + gone
        unknown = connection.execute(
            f"SELECT {document('payload', contracts)} FROM (SELECT '{{}}' AS payload, 'no.such_type' AS event_type)"
        )
        assert unknown.fetchall() == [(None,)]
    assert looked > 60
    assert removed >= 10


def _without(value: Any, pointer: str, protected: set[str]) -> tuple[Any, int]:
    if isinstance(value, dict):
        parts = {name: _without(part, f"{pointer}/{name}", protected) for name, part in value.items()}
        kept = {name: part for name, (part, _) in parts.items() if not _hides(f"{pointer}/{name}", protected)}
        gone = sum(_hides(f"{pointer}/{name}", protected) for name in value)
        return kept, gone + sum(count for _, count in parts.values())
    return value, 0


def _hides(pointer: str, protected: set[str]) -> bool:
    return pointer in protected or any(one.startswith(f"{pointer}/*") for one in protected)


def test_the_catalog_says_what_queries_show() -> None:
    who = READERS["all"]
    assert shown(who, RAW, "payload", "restricted") == "masked"
    assert shown(READERS["marts"], RAW, "payload", "restricted") == "absent"
    assert shown(who, "silver.x", "a", "confidential") == "token"
    assert shown(who, "silver.x", "a", "restricted") == "absent"
    assert shown(who, "silver.x", "a", "unheard-of") == "absent"


def test_a_column_that_no_contract_describes_is_not_shown() -> None:
    (known, unknown) = seen(
        READERS["all"], "silver.x", [("a", "VARCHAR"), ("b", "VARCHAR")], {"a": "public"}, ()
    )
    assert (known.sql, unknown.sql) == ('CAST("a" AS VARCHAR)', None)
