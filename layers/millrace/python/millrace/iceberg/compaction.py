"""Merges the small files of a partition into one with the same rows. Which partitions: pure."""

import uuid
from collections import defaultdict
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import ArrowAccessor, ArrowProjectionVisitor, pyarrow_to_schema
from pyiceberg.schema import Schema, visit_with_partner
from pyiceberg.types import ListType

from millrace.core.errors import PermanentError
from millrace.iceberg import replace
from millrace.iceberg.data_file import DataFile, Partition
from millrace.iceberg.layout import data_file
from millrace.iceberg.retry import until_committed
from millrace.iceberg.tables import IcebergCatalog, OpenTable, open_table

MIN_FILES = 8
# A file that has this size needs no company.
SMALL_BYTES = 32 * 1024 * 1024
# What one call merges: read and written batch by batch, so it is time that this bounds.
MAX_BYTES = 512 * 1024 * 1024
PROPERTY = "millrace.compaction"


def crowded(
    files: Iterable[DataFile],
    *,
    min_files: int = MIN_FILES,
    small_bytes: int = SMALL_BYTES,
    max_bytes: int = MAX_BYTES,
) -> dict[Partition, list[DataFile]]:
    """The partitions with many small files, with those files: as many as fit into `max_bytes`."""
    small: dict[Partition, list[DataFile]] = defaultdict(list)
    for file in sorted(files, key=lambda file: (file.bytes, file.path)):
        held = small[file.org, file.day]
        if file.bytes < small_bytes and sum(other.bytes for other in held) + file.bytes <= max_bytes:
            held.append(file)
    return {partition: held for partition, held in small.items() if len(held) >= min_files}


def compact(catalog: IcebergCatalog, opened: OpenTable, partition: Partition, files: list[DataFile]) -> bool:
    """Puts one file into the place of `files`.

    Returns:
        False when another commit changed the partition meanwhile; what was written is an orphan then.

    Raises:
        RetryableError: the catalog or the store did not answer.
        PermanentError: the new file has not the rows of the old ones.
    """
    path = data_file(catalog.bucket, opened.name, f"compaction-{uuid.uuid4()}", *partition, 0)
    _merge(opened, files, path)
    return until_committed(f"compact {opened.name}", lambda: _exchange(catalog, opened.name, files, path))


def _merge(opened: OpenTable, files: list[DataFile], path: str) -> None:
    """Writes the rows of `files` with the columns that the table has now."""
    table = opened.table
    schema = table.schema().as_arrow()
    with (
        table.io.new_output(path).create() as sink,
        pq.ParquetWriter(sink, schema, compression="zstd") as out,
    ):
        for file in sorted(files, key=lambda file: file.path):
            with table.io.new_input(file.path).open() as source:
                for batch in pq.ParquetFile(source).iter_batches():
                    out.write_table(pa.Table.from_batches([_projected(table.schema(), batch)]).cast(schema))


def _projected(schema: Schema, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Rows of a file with the table's columns, which it has by name."""
    file_schema = pyarrow_to_schema(batch.schema, name_mapping=schema.name_mapping)
    rows = visit_with_partner(schema, batch, _Projection(file_schema), ArrowAccessor(file_schema))
    return pa.RecordBatch.from_struct_array(rows)


class _Projection(ArrowProjectionVisitor):
    """pyiceberg's, which makes an empty list of an absent one where the items are structs."""

    def list(
        self, list_type: ListType, list_array: pa.Array | None, value_array: pa.Array | None
    ) -> pa.Array | None:
        made = super().list(list_type, list_array, value_array)
        if made is None or list_array is None or not list_array.null_count:
            return made
        return pc.if_else(list_array.is_valid(), made, pa.scalar(None, made.type))


def _exchange(catalog: IcebergCatalog, name: str, files: list[DataFile], path: str) -> bool:
    opened = open_table(catalog, name)
    if opened is None:
        return False
    wanted = {file.path for file in files}
    removed = [file for file in opened.files() if file.path in wanted]
    if len(removed) != len(files):
        return False
    transaction = opened.transaction()
    added = replace.read_footers(transaction, opened, [path])[path]
    rows = sum(file.rows for file in files)
    if (
        isinstance(added, str)
        or added.rows != rows
        or (added.org, added.day) != (removed[0].org, removed[0].day)
    ):
        raise PermanentError(f"the compaction of {name} did not give the {rows} rows it read: {added}")
    replace.replace(transaction, opened, removed, [added.iceberg], {PROPERTY: str(len(files))})
    transaction.commit_transaction()
    return True
