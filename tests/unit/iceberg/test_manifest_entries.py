"""Entries of Parquet files: every value lies within its column's bounds, and a search for it finds its file."""

from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from itertools import chain, permutations, repeat
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import EqualTo, Reference
from pyiceberg.expressions.visitors import _InclusiveMetricsEvaluator
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import DataFile
from pyiceberg.table.metadata import TableMetadata, new_table_metadata
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.types import PrimitiveType

from millrace.contracts.columns import WIDE_MONEY, Array, Column, Scalar, Struct
from millrace.contracts.tables import LakeTable
from millrace.iceberg import manifest_entries, shape

pytestmark = pytest.mark.unit

TEXT_LENGTH = 16
# Both ends of every length in UTF-8, of the surrogates and of all; letters that combine; NUL.
CHARACTERS = [
    chr(code)
    for code in (0, 1, 0x20, 0x41, 0x7F, 0x80, 0x301, 0x7FF, 0x800, 0xD7FE, 0xD7FF, 0xE000, 0xFFFD, 0xFFFF)
] + [chr(code) for code in (0x10000, 0x1F600, 0x10FFFE, 0x10FFFF)]
COLUMNS = (
    Column("event_time", None, Scalar("timestamptz"), True, ""),
    Column("org_id", None, Scalar("string"), True, ""),
    Column("note", None, Scalar("string"), False, ""),
    Column("moment", None, Scalar("timestamptz"), False, ""),
    Column("born", None, Scalar("date"), False, ""),
    Column("amount", None, Scalar("decimal"), False, ""),
    Column("total", None, Scalar(WIDE_MONEY), False, ""),
    Column("share", None, Scalar("double"), False, ""),
    Column("count", None, Scalar("long"), False, ""),
    Column("small", None, Scalar("int"), False, ""),
    Column("yes", None, Scalar("boolean"), False, ""),
    Column("tags", None, Array(Scalar("string")), False, ""),
    Column("items", None, Array(Struct((("sku", Scalar("string"), True),))), False, ""),
)
TABLE = LakeTable("silver", "t_v1", COLUMNS, "day", "event_time", "hourly", "", "")
TYPES = {
    "event_time": "TIMESTAMPTZ",
    "org_id": "VARCHAR",
    "note": "VARCHAR",
    "moment": "TIMESTAMPTZ",
    "born": "DATE",
    "amount": "DECIMAL(18,4)",
    "total": "DECIMAL(38,4)",
    "share": "DOUBLE",
    "count": "BIGINT",
    "small": "INTEGER",
    "yes": "BOOLEAN",
    "tags": "VARCHAR[]",
    "items": 'STRUCT("sku" VARCHAR)[]',
}


@pytest.fixture(scope="module")
def metadata() -> TableMetadata:
    fields = shape.schema(TABLE, shape.never_null(TABLE))
    return new_table_metadata(fields, shape.spec(TABLE, fields), UNSORTED_SORT_ORDER, "file:///t", {})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def write(folder: Path, rows: Sequence[dict[str, Any]], first: int = 1) -> str:
    """A file of the table as silver's workers write theirs; values are SQL, and the first row is there `first` times."""
    path = folder / "file.parquet"
    known = {"event_time": "TIMESTAMPTZ '2026-11-20 10:00:00+00'", "org_id": "'org_acme'"}
    connection = _connection()
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    connection.execute(f"CREATE OR REPLACE TABLE t ({columns})")
    for row, times in zip(rows, chain([first], repeat(1)), strict=False):
        given_ = {**known, **row}
        placed = {name: value for name, value in given_.items() if not isinstance(value, _Parameter)}
        bound = {name: value.value for name, value in given_.items() if isinstance(value, _Parameter)}
        names = ", ".join([*placed, *bound])
        values = ", ".join([*placed.values(), *("?" for _ in bound)])
        connection.execute(
            f"INSERT INTO t ({names}) SELECT {values} FROM range({times})", list(bound.values())
        )
    connection.execute(f"COPY t TO '{path}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 2048)")
    return str(path)


class _Parameter:
    def __init__(self, value: Any) -> None:
        self.value = value


def entry(metadata: TableMetadata, path: str) -> DataFile:
    store = PyArrowFileIO()
    return manifest_entries.entry(metadata, path, manifest_entries.fetch(store, path))


def bounds(metadata: TableMetadata, found: DataFile, name: str) -> tuple[Any, Any]:
    field = metadata.schema().find_field(name)
    assert isinstance(field.field_type, PrimitiveType)
    ends = (found.lower_bounds.get(field.field_id), found.upper_bounds.get(field.field_id))
    low, high = (None if end is None else from_bytes(field.field_type, end) for end in ends)
    return low, high


def is_found(metadata: TableMetadata, found: DataFile, name: str, value: Any) -> bool:
    return _InclusiveMetricsEvaluator(metadata.schema(), EqualTo(term=Reference(name), value=value)).eval(
        found
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.sampled_from(CHARACTERS), max_size=20).map("".join), min_size=1, max_size=4))
def test_every_text_lands_and_is_found(metadata: TableMetadata, folder: Path, texts: list[str]) -> None:
    found = entry(metadata, write(folder, [{"note": _Parameter(text)} for text in texts]))
    low, high = bounds(metadata, found, "note")
    for text in texts:
        assert low is None or low.encode() <= text.encode()
        assert high is None or text.encode() <= high.encode()
        assert is_found(metadata, found, "note", text)
    assert len(low or "") <= TEXT_LENGTH
    assert len(high or "") <= TEXT_LENGTH


@pytest.mark.parametrize("character", CHARACTERS)
@pytest.mark.parametrize("length", [15, 16, 17, 300])
def test_the_bound_of_one_text(metadata: TableMetadata, folder: Path, character: str, length: int) -> None:
    """Each at the place where a bound is cut, behind itself and behind something that may grow."""
    for text in (character * length, ("a" * 15 + character + "b")[:length], "a" + character * (length - 1)):
        found = entry(metadata, write(folder, [{"note": _Parameter(text)}]))
        low, high = bounds(metadata, found, "note")
        assert low is None or low.encode() <= text.encode()
        assert high is None or text.encode() <= high.encode()
        assert is_found(metadata, found, "note", text)
        if character != chr(0x10FFFF) and length == 17:
            assert high is not None, "a bound is there wherever there can be one"


def test_a_character_before_the_surrogates_grows_behind_them() -> None:
    assert manifest_entries.upper_text(("a" * 15 + "\ud7ff" + "z").encode(), 16) == "a" * 15 + "\ue000"
    assert manifest_entries.upper_text(("a" * 15 + "\U0010ffff" + "z").encode(), 16) == "a" * 14 + "b"
    assert manifest_entries.upper_text(("\U0010ffff" * 17).encode(), 16) is None
    assert manifest_entries.upper_text(("\U0010ffff" * 16).encode(), 16) == "\U0010ffff" * 16
    assert manifest_entries.upper_text(b"", 16) == ""
    assert manifest_entries.upper_text(b"ab\xf4\x8f", 16) == "ac", "cut in the middle of a character"
    assert manifest_entries.lower_text(b"ab\xf4\x8f", 16) == "ab"


@given(st.binary(max_size=6), st.integers(0, 4), st.binary(max_size=4))
def test_every_bound_of_bytes_is_above(stored: bytes, length: int, more: bytes) -> None:
    high = manifest_entries.upper_bytes(stored, length)
    assert high is None or stored <= high
    if high is not None and len(stored) > length:
        assert stored + more <= high
    if high is None:
        assert set(stored[:length]) <= {0xFF}


def test_a_column_of_which_one_part_says_nothing_has_no_bounds(metadata: TableMetadata, folder: Path) -> None:
    """The writer gives no bounds of a text that is long and cannot grow; those of the other row groups are not all."""
    odd = "\U0010ffff" * 300
    rows = [{"note": _Parameter(text)} for text in ("b", odd)]
    found = entry(metadata, write(folder, rows, first=2048))
    assert found.record_count == 2049
    assert bounds(metadata, found, "note") == (None, None)
    assert is_found(metadata, found, "note", odd)
    assert found.null_value_counts[metadata.schema().find_field("note").field_id] == 0


ENDS = [
    ("moment", "TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'", None),
    ("moment", "TIMESTAMPTZ '9999-12-31T23:59:59-05:00'", 253402318799000000),
    ("moment", "TIMESTAMPTZ '0001-01-01T00:00:00+05:00'", None),
    ("moment", "'infinity'::TIMESTAMPTZ", None),
    ("born", "DATE '9999-12-31'", None),
    ("born", "DATE '10000-01-01'", 2932897),
    ("born", "DATE '0001-01-01' - 1", None),
    ("amount", "99999999999999.9999", Decimal("99999999999999.9999")),
    ("amount", "-99999999999999.9999", Decimal("-99999999999999.9999")),
    ("amount", "0.0001", Decimal("0.0001")),
    (
        "total",
        "'9999999999999999999999999999999999.9999'",
        Decimal("9999999999999999999999999999999999.9999"),
    ),
    (
        "total",
        "'-9999999999999999999999999999999999.9999'",
        Decimal("-9999999999999999999999999999999999.9999"),
    ),
    ("count", "9223372036854775807", 2**63 - 1),
    ("count", "-9223372036854775808", -(2**63)),
    ("small", "-2147483648", -(2**31)),
    ("share", "1.7976931348623157e308", None),
    ("share", "5e-324", 5e-324),
    ("share", "'Infinity'::DOUBLE", None),
    ("yes", "false", False),
]


@pytest.mark.parametrize(("name", "sql", "value"), ENDS, ids=[f"{name} {sql}" for name, sql, _ in ENDS])
def test_the_ends_of_every_type(
    metadata: TableMetadata, folder: Path, name: str, sql: str, value: Any
) -> None:
    found = entry(metadata, write(folder, [{name: sql}, {name: "NULL"}]))
    low, high = bounds(metadata, found, name)
    assert low is not None
    assert low == high
    if value is not None:
        assert low == value
    assert found.null_value_counts[metadata.schema().find_field(name).field_id] == 1


def test_decimals_are_compared_as_numbers_whatever_they_are_stored_as(
    metadata: TableMetadata, folder: Path
) -> None:
    values = [Decimal(text) for text in ("-1.5", "2.5", "-300000.0001", "0", "99999999999999.9999")]
    path = str(folder / "arrow.parquet")
    for first, second in permutations(values, 2):
        table = pa.table(
            {
                "event_time": pa.array([0, 1], pa.timestamp("us", "UTC")),
                "org_id": ["org_acme"] * 2,
                "amount": pa.array([first, second], pa.decimal128(18, 4)),
            }
        )
        pq.write_table(table, path, row_group_size=1)
        assert bounds(metadata, entry(metadata, path), "amount") == (min(first, second), max(first, second))


def test_no_number_and_zeros_of_both_signs(metadata: TableMetadata, folder: Path) -> None:
    nothing = entry(metadata, write(folder, [{"share": "'NaN'::DOUBLE"}, {"share": "1.0"}]))
    assert bounds(metadata, nothing, "share") == (None, None)
    for sql in ("0.0", "-0.0"):
        low, high = bounds(metadata, entry(metadata, write(folder, [{"share": sql}])), "share")
        assert (str(low), str(high)) == ("-0.0", "0.0")


def test_lists_and_structs_are_counted_and_have_no_bounds(metadata: TableMetadata, folder: Path) -> None:
    odd = "'" + "a" * 15 + "\ud7ff" + "z'"
    found = entry(metadata, write(folder, [{"tags": f"[{odd}, 'b']", "items": f"[{{'sku': {odd}}}]"}]))
    inner = [metadata.schema().find_field(name).field_id for name in ("tags.element", "items.element.sku")]
    assert not set(inner) & {*found.lower_bounds, *found.upper_bounds}
    assert [found.value_counts[number] for number in inner] == [2, 1]


def test_the_partition_is_the_tenant_and_the_day(metadata: TableMetadata, folder: Path) -> None:
    found = entry(metadata, write(folder, [{"event_time": "TIMESTAMPTZ '2026-11-20 23:59:59.999999+00'"}]))
    assert (found.partition[0], found.partition[1], found.record_count) == ("org_acme", 20777, 1)
    before = entry(metadata, write(folder, [{"event_time": "TIMESTAMPTZ '1969-12-31 23:59:59+00'"}]))
    assert before.partition[1] == -1


REFUSED = [
    ([{"org_id": "'org_a'"}, {"org_id": "'org_b'"}], "more than one org_id"),
    ([{}, {"event_time": "TIMESTAMPTZ '2026-11-21 00:00:00+00'"}], "more than one day"),
    ([{"org_id": "NULL"}], "1 rows have no org_id, which is required"),
]


@pytest.mark.parametrize(("rows", "message"), REFUSED)
def test_what_has_no_one_partition_is_refused(
    metadata: TableMetadata, folder: Path, rows: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        entry(metadata, write(folder, rows))


def test_another_unit_of_time_is_refused(metadata: TableMetadata, folder: Path) -> None:
    path = str(folder / "unit.parquet")
    times = pa.array([1], pa.timestamp("ms", "UTC"))
    pq.write_table(pa.table({"event_time": times, "org_id": ["org_acme"]}), path)
    with pytest.raises(ValueError, match="event_time is not in microseconds"):
        entry(metadata, path)


@pytest.mark.parametrize("harm", ["empty", "short", "no magic", "length", "thrift"])
def test_a_harmed_footer_is_the_file_s_own_fault(metadata: TableMetadata, folder: Path, harm: str) -> None:
    """What reads it does not fail, so that it is not taken for a store that does not answer."""
    path = Path(write(folder, [{"note": "'a'"}]))
    held = bytearray(path.read_bytes())
    if harm == "empty":
        held = bytearray()
    elif harm == "short":
        held = held[:5]
    elif harm == "no magic":
        held[-4:] = b"XXXX"
    elif harm == "length":
        held[-8:-4] = b"\xff\xff\xff\x7f"
    else:
        held[-200:-100] = bytes(100)
    path.write_bytes(bytes(held))
    footer = manifest_entries.fetch(PyArrowFileIO(), str(path))
    with pytest.raises(Exception):  # noqa: B017, PT011  each is said in another way
        manifest_entries.entry(metadata, str(path), footer)
    with pytest.raises(FileNotFoundError):
        manifest_entries.fetch(PyArrowFileIO(), str(path.with_name("gone.parquet")))
