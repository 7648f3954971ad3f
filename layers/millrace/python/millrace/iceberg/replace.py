"""Exchanges data files of a table in one snapshot, so that no reader, of any moment, sees a partition without its rows.

pyiceberg's own delete followed by `add_files` is two snapshots of one commit, and the first of them lacks the rows.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from pyiceberg.manifest import DataFile as IcebergFile
from pyiceberg.manifest import ManifestContent, ManifestFile
from pyiceberg.table import Transaction
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _ManifestMergeManager, _OverwriteFiles

from millrace.core.errors import in_a_line
from millrace.iceberg import manifest_entries
from millrace.iceberg.data_file import DataFile
from millrace.iceberg.tables import OpenTable, data_file

READERS = 8
# Each commit writes a manifest or two; past this many they become one. The size is what Iceberg aims at.
MANIFESTS = 50
MANIFEST_BYTES = 8 * 1024 * 1024


class Replacement(_OverwriteFiles):
    """pyiceberg's overwrite, with its manifests kept few: its own keeps for ever those that only list what was deleted."""

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        living = [
            manifest
            for manifest in manifests
            if manifest.added_snapshot_id == self.snapshot_id
            or manifest.has_added_files()
            or manifest.has_existing_files()
        ]
        data = [manifest for manifest in living if manifest.content == ManifestContent.DATA]
        merge = _ManifestMergeManager(MANIFEST_BYTES, MANIFESTS, True, self)
        return merge.merge_manifests(data) + [f for f in living if f.content != ManifestContent.DATA]


def replace(
    transaction: Transaction,
    opened: OpenTable,
    removed: Iterable[DataFile],
    added: Iterable[IcebergFile],
    properties: Mapping[str, str],
) -> None:
    """Stages one snapshot without the files `removed` and with the files `added`."""
    with Replacement(
        Operation.OVERWRITE, transaction, opened.table.io, snapshot_properties=dict(properties)
    ) as snapshot:
        for old in removed:
            snapshot.delete_data_file(old.iceberg)
        for new in added:
            snapshot.append_data_file(new)


def read_footers(
    transaction: Transaction, opened: OpenTable, paths: Iterable[str]
) -> dict[str, DataFile | str]:
    """Each Parquet file as the table would have it, by its path, or why it cannot have it.

    The partition comes from the file's own statistics: a file with rows of two tenants or two days is refused.

    Raises:
        OSError: the store did not answer.
    """
    metadata = transaction.table_metadata
    spec = metadata.spec()

    def read(path: str) -> tuple[str, DataFile | str]:
        try:
            footer = manifest_entries.fetch(opened.table.io, path)
        except FileNotFoundError:
            return path, "its file is missing"
        try:
            return path, data_file(opened.table, spec, manifest_entries.entry(metadata, path, footer))
        except Exception as error:  # noqa: BLE001  whatever one file sets off must not stop those beside it
            return path, f"its file does not fit the table: {_said(error)}"

    with ThreadPoolExecutor(READERS) as pool:
        return dict(pool.map(read, paths))


def _said(error: Exception) -> str:
    """The error in a line: pyiceberg draws a table of all fields, and crosses those that do not fit."""
    lines = str(error).splitlines()
    crossed = [[cell.strip() for cell in line.split("│")] for line in lines if "❌" in line]
    fields = [f"{cells[2]} in the table, {cells[3]} in the file" for cells in crossed if len(cells) > 3]
    return "; ".join(fields)[:400] or in_a_line(error, 400)
