"""Silver's SQL: whatever stands in a payload is typed exactly or dead, and never silently null."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from millrace.compiler import samples
from millrace.contracts import columns
from millrace.contracts.contract import Contract
from millrace.contracts.tables import silver_table
from millrace.lake import silver_sql
from millrace.lake.raw_rows import RawRows
from millrace.runs.documents import Unit
from tests.support.contracts import FILES, compiled, contract, field

RAW = (
    "event_id VARCHAR, event_time TIMESTAMPTZ, event_source VARCHAR, correlation_id VARCHAR, user_id VARCHAR, "
    "session_id VARCHAR, org_id VARCHAR, received_at TIMESTAMPTZ, contract VARCHAR, payload VARCHAR, metadata VARCHAR, "
    "derived_from VARCHAR"
)
EVERYTHING = contract(
    field("need", required=True),
    field("text"),
    field("money", "number", physicalType="decimal(18,4)"),
    field("real", "number"),
    field("small", "integer", logicalTypeOptions={"format": "i32"}),
    field("big", "integer"),
    field("flag", "boolean"),
    field("day", "date"),
    field("at", "timestamp"),
    field("free", "object"),
    field("tags", "array", items={"logicalType": "string"}),
    field("grid", "array", items={"logicalType": "array", "items": {"logicalType": "integer"}}),
    field(
        "place", "object", properties=[field("cityName"), field("deep", "object", properties=[field("zip")])]
    ),
    field(
        "lines",
        "array",
        items={
            "logicalType": "object",
            "properties": [field("sku"), field("unitPrice", "number", physicalType="decimal(18,4)")],
        },
    ),
)
NAMES = {column.pointer: column.name for column in columns.columns(EVERYTHING)}
MOMENT = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as made:
        made.execute(f"SET TimeZone = 'UTC'; CREATE TABLE raw_rows ({RAW})")
        yield made


def rows(
    connection: duckdb.DuckDBPyConnection, made: Contract, payload: str, metadata: str | None = None
) -> tuple[list[dict[str, Any]], list[str]]:
    """The typed rows of one raw row, and the reasons of the dead."""
    connection.execute("DELETE FROM raw_rows")
    given = ["id", MOMENT, "webshop", None, None, None, "org_acme", MOMENT, made.ref, payload, metadata]
    given.append("its source" if made.derived else None)
    connection.execute(f"INSERT INTO raw_rows VALUES ({', '.join('?' * len(given))})", given)
    cursor = connection.execute(silver_sql.typed(made, "raw_rows"))
    names = [column[0] for column in cursor.description or ()]
    typed = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    dead = connection.execute(silver_sql.dead(made, "raw_rows"))
    return typed, [row[-1] for row in dead.fetchall()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_the_relation_has_the_types_of_the_table(connection: duckdb.DuckDBPyConnection, path: Any) -> None:
    made = compiled(path)
    declared = ", ".join(f'"{c.name}" {columns.duckdb_type(c.type)}' for c in silver_table(made).columns)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE declared ({declared})")
    wanted = [row[:2] for row in connection.execute("DESCRIBE declared").fetchall()]
    found = [
        row[:2] for row in connection.execute(f"DESCRIBE {silver_sql.typed(made, 'raw_rows')}").fetchall()
    ]
    assert found == wanted
    for sample in samples.golden(path):
        data = sample["data"]
        typed, dead = rows(connection, made, json.dumps(data["payload"]), json.dumps(data.get("metadata")))
        assert (len(typed), dead) == (1, [])
        # What the platform derives says from what; no other table has such a column.
        assert typed[0].get("derived_from") == ("its source" if made.derived else None)
        assert ("derived_from" in typed[0]) is made.derived


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(
        [
            "2026-11-20",
            "2026-11-20T10:00:00Z",
            "2026-11-20T10:00:00+05:30",
            "2026-11-20T10:00:00",
            "true",
            "3.5",
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["cityName", "deep", "zip", "sku", "unitPrice", "other"]), inner, max_size=3
        )
    ),
    max_leaves=5,
)
FIELDS = [pointer.rsplit("/", 1)[1] for pointer in NAMES if pointer and pointer.count("/") == 3]


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([*FIELDS, "place"]), json_values, max_size=3))
@example({"place": "Lisbon"})
@example({"place": {"cityName": "Lisbon", "deep": 3}})
@example({"place": []})
@example({"lines": [{}]})
@example({"lines": [{"other": 1}, 3]})
@example({"lines": {"sku": "x"}})
@example({"grid": [[1], None]})
@example({"grid": [[1.5]]})
@example({"free": "text"})
@example({"small": 2**31})
@example({"big": 1e18})
@example({"at": "2026-11-20T10:00:00"})
def test_nothing_is_silently_null(connection: duckdb.DuckDBPyConnection, payload: dict[str, Any]) -> None:
    typed, dead = rows(connection, EVERYTHING, json.dumps({"need": "x"} | payload))
    assert len(typed) + len(dead) == 1
    if dead:
        # Something is there that has no value of its type.
        assert any(value is not None for value in payload.values()) or payload.get("need", "x") is None
        return
    for name, value in payload.items():
        if value is not None and name != "place":
            assert typed[0][NAMES[f"/data/payload/{name}"]] is not None
    place = payload.get("place")
    assert place is None or isinstance(place, dict)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.decimals(-(10**11), 10**11, places=4), min_size=1, max_size=20))
@example([Decimal("0.07"), Decimal("999999999.9999")])
@example([Decimal("999999999.9999"), Decimal("0.07")])
def test_money_is_exact(connection: duckdb.DuckDBPyConnection, amounts: list[Decimal]) -> None:
    # As a client writes it, it is read as a float and stored by its shortest text.
    payload = {"need": "x", "lines": [{"unitPrice": float(amount)} for amount in amounts]}
    typed, dead = rows(connection, EVERYTHING, json.dumps({**payload, "money": float(amounts[0])}))
    assert dead == []
    assert typed[0]["money"] == amounts[0]
    assert [line["unit_price"] for line in typed[0]["lines"]] == amounts


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("{broken", "need: absent"),
        ("[]", "need: absent"),
        ("{}", "need: absent"),
        ('{"need": null}', "need: absent"),
        ('{"need": "x", "place": "Lisbon"}', "place: no object"),
        ('{"need": "x", "lines": [{"sku": "a"}, 3]}', "lines: no array"),
        ('{"need": "x", "tags": "a"}', "tags: no array"),
        ('{"need": "x", "free": [1]}', "free: no object"),
        ('{"need": "x", "flag": "yes"}', "flag: no boolean"),
        ('{"need": "x", "small": 1e10}', "small: no int"),
        ('{"need": "x", "day": "2026-02-30"}', "day: no date"),
    ],
)
def test_the_reason_names_the_column(
    connection: duckdb.DuckDBPyConnection, payload: str, reason: str
) -> None:
    assert rows(connection, EVERYTHING, payload) == ([], [reason])


def test_absent_metadata_and_fields_that_no_contract_knows(connection: duckdb.DuckDBPyConnection) -> None:
    typed, _ = rows(
        connection, EVERYTHING, '{"need": "x", "NEED": "y", "place": {"deep": {}, "more": 1}, "extra": [1]}'
    )
    assert typed[0]["need"] == "x"
    assert typed[0]["place_deep_zip"] is None
    assert {"NEED", "extra"}.isdisjoint(typed[0])


@given(st.uuids(), st.integers(2, 500))
def test_a_bucket_is_the_same_wherever_it_is_computed(
    connection: duckdb.DuckDBPyConnection, event_id: Any, buckets: int
) -> None:
    bucket = int.from_bytes(hashlib.md5(str(event_id).encode()).digest(), "little") % buckets
    unit = Unit("org_acme", "2026-11-20", bucket, buckets)
    condition = RawRows(connection, unit, {})._mine()
    assert connection.execute(
        f"SELECT {condition} FROM (SELECT ? AS event_id)", [str(event_id)]
    ).fetchone() == (True,)
