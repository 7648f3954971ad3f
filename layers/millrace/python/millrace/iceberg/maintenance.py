"""Keeps a table in shape where Glue's optimizers do not, or failed to: expiry of snapshots, orphan files, many small files.

The rows of the last snapshot are the same before and after.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from millrace.core.errors import PermanentError, RetryableError, in_a_line
from millrace.core.objects import Objects
from millrace.iceberg import compaction, optimizers
from millrace.iceberg.layout import READERS, location
from millrace.iceberg.retry import until_committed
from millrace.iceberg.tables import IcebergCatalog, OpenTable, SnapshotInfo, open_table

# A run that is still going may have written files that no snapshot names yet.
ORPHAN_DAYS = 3


@dataclass(frozen=True, slots=True)
class Maintained:
    """What was done: snapshots expired, files removed, partitions merged.

    Attributes:
        by: `millrace`, or `glue` where its optimizers do it.
        unmerged: tenant and day of partitions that cannot be merged, each with its reason.
        failed: Glue's optimizers of the table that failed or are gone, which is why it was done here.
    """

    table: str
    by: str
    expired: int = 0
    removed: int = 0
    compacted: int = 0
    unmerged: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def maintain(
    catalog: IcebergCatalog,
    lake: Objects,
    name: str,
    now: datetime,
    *,
    keep_days: int,
    keep_snapshots: int,
    failed_optimizers: Callable[[OpenTable], tuple[str, ...]],
) -> Maintained:
    """Merges, expires, then removes.

    Args:
        catalog: of the environment.
        lake: the bucket that the tables lie in.
        name: of the table.
        now: what ages are counted from.
        keep_days: snapshots younger than this stay.
        keep_snapshots: this many of the newest stay whatever their age.
        failed_optimizers: which of Glue's optimizers of a table that has them do not work. With one of them broken all of the
            upkeep is done here: what the others did already is found done, and a commit that meets one of theirs is retried.

    Raises:
        PermanentError: there is no such table.
        RetryableError: the catalog or the store did not answer.
    """
    opened = _open(catalog, name)
    failed: tuple[str, ...] = ()
    if opened.properties.get(optimizers.PROPERTY):
        failed = failed_optimizers(opened)
        if not failed:
            return Maintained(name, "glue")
    compacted, unmerged = 0, []
    for partition, files in compaction.crowded(opened.files()).items():
        try:
            compacted += compaction.compact(catalog, opened, partition, files)
        except RetryableError:
            raise
        except Exception as error:  # noqa: BLE001  one tenant's files must not keep the table from its upkeep
            unmerged.append(f"{partition[0]} {partition[1] or ''}: {in_a_line(error)}")
    expired = until_committed(
        f"expire snapshots of {name}",
        lambda: _expire(_open(catalog, name), now - timedelta(days=keep_days), keep_snapshots),
    )
    removed = _remove_orphans(catalog, lake, name, now - timedelta(days=ORPHAN_DAYS))
    return Maintained(name, "millrace", expired, removed, compacted, tuple(unmerged), failed)


def expirable(
    snapshots: list[SnapshotInfo], current: int | None, before: datetime, keep: int
) -> list[SnapshotInfo]:
    """The snapshots that go: older than `before`, not among the `keep` newest, not the current one."""
    newest = sorted(snapshots, key=lambda snapshot: snapshot.at, reverse=True)
    return [
        snapshot for snapshot in newest[max(keep, 1) :] if snapshot.at < before and snapshot.id != current
    ]


def _expire(opened: OpenTable, before: datetime, keep: int) -> int:
    expired = expirable(opened.snapshots(), opened.snapshot_id, before, keep)
    if expired:
        opened.table.maintenance.expire_snapshots().by_ids([one.id for one in expired]).commit()
    return len(expired)


def _remove_orphans(catalog: IcebergCatalog, lake: Objects, name: str, before: datetime) -> int:
    opened = _open(catalog, name)
    # With the slash: silver.a_v1 lies beside silver.a_v10.
    root = f"{location(catalog.bucket, name)}/"
    if not f"{opened.table.location()}/".startswith(root):
        raise PermanentError(f"{name} lies at {opened.table.location()}, which is not {root}")
    try:
        live = set(_referenced(opened))
    except OSError as error:
        raise RetryableError(f"read the manifests of {name}: {error}") from error
    start = f"s3://{catalog.bucket}/"
    orphans = [
        one.key
        for one in lake.list_objects(root.removeprefix(start), doing="list a table's files")
        if one.modified < before and f"{start}{one.key}" not in live
    ]
    lake.delete_all(orphans, doing="remove orphans")
    return len(orphans)


def _referenced(opened: OpenTable) -> Iterator[str]:
    """Every file that any kept snapshot, or the table itself, names."""
    table = opened.table
    yield table.metadata_location
    yield from (entry.metadata_file for entry in table.metadata.metadata_log)
    yield from (file.statistics_path for file in table.metadata.statistics)
    yield from (file.statistics_path for file in table.metadata.partition_statistics)
    manifests = set()
    for snapshot in table.snapshots():
        yield snapshot.manifest_list
        manifests.update(snapshot.manifests(table.io))
    yield from (manifest.manifest_path for manifest in manifests)
    with ThreadPoolExecutor(READERS) as pool:
        for entries in pool.map(lambda manifest: manifest.fetch_manifest_entry(table.io), manifests):
            yield from (entry.data_file.file_path for entry in entries)


def _open(catalog: IcebergCatalog, name: str) -> OpenTable:
    opened = open_table(catalog, name)
    if opened is None:
        raise PermanentError(f"there is no table {name}")
    return opened
