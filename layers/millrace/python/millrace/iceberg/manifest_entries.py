"""A Parquet file as an entry of an Iceberg manifest, made of the file's footer.

pyiceberg's own way makes Python's values of the statistics, which have no year 10000, and cuts the largest text so that its
last character may become half of a surrogate pair. Here every bound comes from the statistic as it is stored: a value that
the file holds never lies outside, and where no such bound is known there is none.
"""

import io
import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq
from pyiceberg.conversions import to_bytes
from pyiceberg.io import FileIO, InputStream
from pyiceberg.io.pyarrow import (
    MetricModeTypes,
    StatisticsCollector,
    _check_pyarrow_schema_compatible,
    compute_statistics_plan,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.transforms import DayTransform, IdentityTransform
from pyiceberg.typedef import Record
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    PrimitiveType,
    StringType,
    TimestamptzType,
)
from pyiceberg.utils.decimal import unscaled_to_decimal

# Most footers are smaller; one read fetches them.
TAIL_BYTES = 64 * 1024
_END = 8
_MAGIC = b"PAR1"
_DAY_US = 86_400_000_000
_HIGHEST, _SURROGATES = 0x10FFFF, range(0xD800, 0xE000)


@dataclass(frozen=True, slots=True)
class Footer:
    """A file's footer as it is stored, and the file's size in bytes."""

    size: int
    stored: bytes


def fetch(store: FileIO, path: str) -> Footer:
    """Reads a footer and does not look into it: an OSError of this is the store's.

    Raises:
        OSError: the store did not answer, or has no such file (`FileNotFoundError`).
    """
    source = store.new_input(path)
    size = len(source)
    with source.open() as stream:
        stored = _last(stream, size, min(size, TAIL_BYTES))
        wanted = _length(stored)
        if len(stored) < wanted <= size:
            stored = _last(stream, size, wanted)
    return Footer(size, stored[-wanted:])


def entry(metadata: TableMetadata, path: str, footer: Footer) -> DataFile:
    """The entry of a file.

    Args:
        metadata: of the table.
        path: the file's URL.
        footer: of `fetch`.

    Raises:
        Exception: whatever is found wrong with the file; it is foreign code that looks, and foreign data.
    """
    read = pq.read_metadata(io.BytesIO(_MAGIC + footer.stored))
    schema, spec = metadata.schema(), metadata.spec()
    # DuckDB writes no column as required, though it has a value in every row.
    optional = Schema(*(field.model_copy(update={"required": False}) for field in schema.fields))
    _check_pyarrow_schema_compatible(
        optional, read.schema.to_arrow_schema(), format_version=metadata.format_version
    )
    columns = _columns(metadata, read)
    for field in schema.fields:
        if field.required:
            _check_required(field.name, columns.get(field.field_id))
    partition = []
    for part in spec.fields:
        of = columns.get(part.source_id)
        if of is None or not of.bounded or of.low is None:
            raise ValueError(f"nothing in it says its {part.name}")
        partition.append(_partition(part.transform, of))
    counted = {number: of for number, of in columns.items() if of.counted}
    bounds = {number: of.bounds() for number, of in counted.items()}
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Record(*partition),
        file_size_in_bytes=footer.size,
        sort_order_id=None,
        spec_id=metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        record_count=read.num_rows,
        column_sizes={number: of.size for number, of in columns.items()},
        value_counts={number: of.values for number, of in counted.items()},
        null_value_counts={number: of.nulls for number, of in counted.items() if of.nulls_known},
        nan_value_counts={},
        lower_bounds={number: low for number, (low, _) in bounds.items() if low is not None},
        upper_bounds={number: high for number, (_, high) in bounds.items() if high is not None},
        split_offsets=sorted(_offsets(read)),
    )


def _check_required(name: str, of: "_Column | None") -> None:
    if of is None:
        raise ValueError(f"it lacks the required column {name}")
    if of.nulls_known and of.nulls:
        raise ValueError(f"{of.nulls} rows have no {name}, which is required")


def _last(stream: InputStream, size: int, count: int) -> bytes:
    stream.seek(size - count)
    return bytes(stream.read(count))


def _length(stored: bytes) -> int:
    """Of the footer with the eight bytes behind it; of what is not Parquet, of those alone."""
    if len(stored) < _END or stored[-len(_MAGIC) :] != _MAGIC:
        return _END
    return int(struct.unpack("<I", stored[-_END : -len(_MAGIC)])[0]) + _END


@dataclass(slots=True)
class _Column:
    """What all row groups say of a column. `low` and `high` are as they are stored; `bounded`: every value lies between."""

    plan: StatisticsCollector
    size: int = 0
    values: int = 0
    nulls: int = 0
    nulls_known: bool = True
    bounded: bool = True
    low: Any = None
    high: Any = None

    @property
    def counted(self) -> bool:
        return self.plan.mode.type is not MetricModeTypes.NONE

    def add(self, chunk: Any) -> None:
        """Adds a row group's chunk."""
        self.size += chunk.total_compressed_size
        self.values += chunk.num_values
        statistics = chunk.statistics if chunk.is_stats_set else None
        if statistics is None or not statistics.has_null_count:
            self.nulls_known = False
        else:
            self.nulls += statistics.null_count
        if statistics is not None and statistics.has_min_max:
            low, high = self._number(statistics.min_raw), self._number(statistics.max_raw)
            self.low = low if self.low is None else min(low, self.low)
            self.high = high if self.high is None else max(high, self.high)
        elif statistics is None or not statistics.has_null_count or statistics.null_count != chunk.num_values:
            # Values of which nothing is said: too long, or not comparable.
            self.bounded = False

    def _number(self, stored: Any) -> Any:
        # A decimal may be kept as bytes, which do not compare as numbers do.
        if isinstance(self.plan.iceberg_type, DecimalType) and isinstance(stored, bytes):
            return int.from_bytes(stored, "big", signed=True)
        return stored

    def bounds(self) -> tuple[bytes | None, bytes | None]:
        """The lower and the upper bound as Iceberg keeps them."""
        mode, of = self.plan.mode, self.plan.iceberg_type
        if (
            mode.type not in (MetricModeTypes.TRUNCATE, MetricModeTypes.FULL)
            or not self.bounded
            or self.low is None
        ):
            return None, None
        if isinstance(of, StringType):
            high = upper_text(self.high, mode.length)
            return lower_text(self.low, mode.length).encode(), None if high is None else high.encode()
        if isinstance(of, BinaryType):
            return self.low[: mode.length], upper_bytes(self.high, mode.length)
        return _kept(of, self.low, low=True), _kept(of, self.high, low=False)


def lower_text(stored: bytes, length: int | None) -> str:
    """A text that is no larger than the stored one: its first characters."""
    return _text(stored)[0][:length]


def upper_text(stored: bytes, length: int | None) -> str | None:
    """A text that no text is larger than which begins as the stored one does; None where there is none of that length."""
    whole, exact = _text(stored)
    cut = whole[:length]
    if exact and cut == whole:
        return cut
    for at in range(len(cut) - 1, -1, -1):
        following = ord(cut[at]) + 1
        if following in _SURROGATES:
            following = _SURROGATES.stop
        if following <= _HIGHEST:
            return cut[:at] + chr(following)
    return None


def upper_bytes(stored: bytes, length: int | None) -> bytes | None:
    """The same of bytes."""
    cut = stored[:length]
    if cut == stored:
        return cut
    for at in range(len(cut) - 1, -1, -1):
        if cut[at] < 0xFF:
            return cut[:at] + bytes([cut[at] + 1])
    return None


def _text(stored: bytes) -> tuple[str, bool]:
    """The text, and whether it is all of it: a writer may have cut a long one in the middle of a character."""
    try:
        return stored.decode(), True
    except UnicodeDecodeError as error:
        return stored[: error.start].decode(), False


def _kept(of: PrimitiveType, stored: Any, *, low: bool) -> bytes | None:
    if isinstance(of, DecimalType):
        return to_bytes(of, unscaled_to_decimal(stored, of.scale))
    if isinstance(of, FloatType | DoubleType):
        # Both zeros are equal here, and not in every reader.
        return to_bytes(of, stored if stored else -0.0 if low else 0.0)
    if isinstance(of, BooleanType | IntegerType | LongType | DateType | TimestamptzType):
        return to_bytes(of, stored)
    return None


def _columns(metadata: TableMetadata, footer: pq.FileMetaData) -> dict[int, _Column]:
    schema = metadata.schema()
    plans, ids = compute_statistics_plan(schema, metadata.properties), parquet_path_to_id_mapping(schema)
    columns: dict[int, _Column] = {}
    numbers: dict[int, int] = defaultdict(int)
    for position in range(footer.num_columns):
        stored = footer.schema.column(position)
        number = numbers[position] = ids[stored.path]
        columns[number] = _Column(plans[number])
        if isinstance(plans[number].iceberg_type, TimestamptzType) and "microseconds" not in str(
            stored.logical_type
        ):
            raise ValueError(f"{stored.path} is not in microseconds")
    for group in range(footer.num_row_groups):
        chunks = footer.row_group(group)
        for position in range(footer.num_columns):
            columns[numbers[position]].add(chunks.column(position))
    return columns


def _partition(transform: Any, of: _Column) -> Any:
    if isinstance(transform, IdentityTransform) and isinstance(of.plan.iceberg_type, StringType):
        if of.low != of.high:
            raise ValueError(f"there is more than one {of.plan.column_name} in it")
        return of.low.decode()
    if isinstance(transform, DayTransform):
        unit = 1 if isinstance(of.plan.iceberg_type, DateType) else _DAY_US
        low, high = of.low // unit, of.high // unit
        if low != high:
            raise ValueError(f"there is more than one day in it: {low} and {high} since 1970")
        return low
    raise ValueError(f"no table of ours is partitioned by {transform} of {of.plan.column_name}")


def _offsets(footer: pq.FileMetaData) -> Iterator[int]:
    """Where row groups begin."""
    for group in range(footer.num_row_groups):
        first = footer.row_group(group).column(0)
        dictionary = first.dictionary_page_offset if first.has_dictionary_page else None
        yield first.data_page_offset if dictionary is None else min(dictionary, first.data_page_offset)
