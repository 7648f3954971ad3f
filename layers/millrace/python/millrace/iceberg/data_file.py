"""The data files of a table by tenant and day. Without pyiceberg, so that rules about files are pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile as IcebergFile

# A tenant and, where the table has days, the day.
Partition = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class DataFile:
    """A data file of a snapshot; `day` is None where the table has no days. `iceberg` is its entry in the manifest."""

    path: str
    org: str
    day: str | None
    rows: int
    bytes: int
    iceberg: "IcebergFile"


# The files of a table, by partition.
Files = Mapping[Partition, Sequence[DataFile]]


def by_partition(files: Iterable[DataFile]) -> dict[Partition, list[DataFile]]:
    """Files by the partition that they are of."""
    grouped: dict[Partition, list[DataFile]] = defaultdict(list)
    for file in files:
        grouped[file.org, file.day].append(file)
    return dict(grouped)


def total_rows(files: Iterable[DataFile]) -> int:
    """How many rows they hold."""
    return sum(file.rows for file in files)
