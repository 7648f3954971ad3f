"""What silver has: ids and hours of a tenant's day, from the data files of the tables' current snapshots."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from millrace.contracts import columns
from millrace.contracts.registry import Registry
from millrace.core.errors import RetryableError
from millrace.iceberg.tables import Catalog, OpenTable, open_table
from millrace.reconcile.compare import to_bytes

_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class _Opened:
    """A table as it was when it was opened, its files by tenant and day."""

    table: OpenTable
    files: Mapping[tuple[str, str | None], list[str]]


class SilverTables:
    """Opens each table once for all the days of a pass, and anew where a hole is to be proven."""

    def __init__(self, catalog: Catalog, registry: Registry) -> None:
        self._catalog = catalog
        self._names = {f"silver.{columns.table(one)}": one.event_type for one in registry.contracts}
        self._opened: dict[str, _Opened | None] = {}

    def read(
        self, org: str, day: str, *, fresh: bool = False
    ) -> Iterator[tuple[str, list[tuple[int, bytes]]]]:
        """Type, and hour and id of each event of a tenant's day.

        Args:
            org: the tenant.
            day: UTC.
            fresh: as the tables are now, not as they were when the pass first looked.

        Raises:
            MillraceError: the catalog or the lake did not answer.
        """
        if fresh:
            self._opened.clear()
        for name, event_type in self._names.items():
            if name not in self._opened:
                self._opened[name] = self._open(name)
            opened = self._opened[name]
            if opened is None:
                continue
            for path in opened.files.get((org, day), ()):
                try:
                    yield from ((event_type, found) for found in _ids(opened.table, path))
                except OSError as error:
                    raise RetryableError(f"read {name}: {error}") from error

    def _open(self, name: str) -> _Opened | None:
        table = open_table(self._catalog, name)
        if table is None:
            return None
        files: dict[tuple[str, str | None], list[str]] = defaultdict(list)
        for file in table.files():
            files[file.org, file.day].append(file.path)
        return _Opened(table, files)


def _ids(table: OpenTable, path: str) -> Iterator[list[tuple[int, bytes]]]:
    with table.table.io.new_input(path).open() as source:
        for some in pq.ParquetFile(source).iter_batches(columns=["event_id", "event_time"]):
            # To microseconds first: another writer of Iceberg may have kept another unit.
            moments = some.column("event_time").cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
            yield [
                (at // _HOUR_US % 24, to_bytes(event_id))
                for event_id, at in zip(some.column("event_id").to_pylist(), moments.to_pylist(), strict=True)
            ]
