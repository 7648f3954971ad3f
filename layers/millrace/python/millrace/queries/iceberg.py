"""Iceberg tables read without pyiceberg, which has no room beside DuckDB in a function: columns, snapshots and data files.

By the table specification, versions 1 and 2 (https://iceberg.apache.org/spec/): a JSON document names each snapshot's manifest
list, which names manifests, which name data files; both are Avro.
"""

import io
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import fastavro
import orjson

from millrace.core import clock
from millrace.core.aws import calling
from millrace.core.errors import NotFoundError, PermanentError
from millrace.core.objects import Objects
from millrace.core.sql import identifier
from millrace.iceberg.layout import DUCKDB, ORG_COLUMN, READERS, database, split

_DATA, _DELETED = 0, 2


@dataclass(frozen=True, slots=True)
class LakeFile:
    """A Parquet file, with the tenant and UTC day of its partition. `sizes`: column → compressed bytes, where they are known."""

    path: str
    org: str
    day: str | None
    bytes: int
    sizes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state of a table. `properties` are its summary's."""

    id: int
    at: datetime
    manifests: str
    properties: Mapping[str, str]


class IcebergTable:
    """A table as its metadata file has it."""

    def __init__(self, name: str, document: Mapping[str, Any], lake: Objects) -> None:
        self.name, self._document, self._lake = name, document, lake
        schemas = {one["schema-id"]: one for one in document.get("schemas", ())}
        self._fields = (schemas.get(document.get("current-schema-id")) or document["schema"])["fields"]

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Name and DuckDB type of each column, in the order of the current schema."""
        return [(field["name"], duckdb_type(field["type"])) for field in self._fields]

    def snapshots(self) -> list[Snapshot]:
        """Every snapshot that is kept, oldest first."""
        found = [
            Snapshot(
                id=one["snapshot-id"],
                at=clock.from_epoch_millis(one["timestamp-ms"]),
                manifests=one["manifest-list"],
                properties=one.get("summary", {}),
            )
            for one in self._document.get("snapshots", ())
        ]
        return sorted(found, key=lambda one: one.at)

    def snapshot(self, id_: int | None = None, at: datetime | None = None) -> Snapshot | None:
        """The snapshot of that id, or the one that was current at a moment, or the current one; None if there is none.

        Raises:
            PermanentError: no snapshot has that id (any more).
        """
        known = {one.id: one for one in self.snapshots()}
        if id_ is not None:
            if id_ not in known:
                raise PermanentError(f"{self.name} has no snapshot {id_} (any more)")
            return known[id_]
        if at is None:
            return known.get(self._document.get("current-snapshot-id") or -1)
        log = sorted(
            self._document.get("snapshot-log", ()), key=lambda entry: int(entry["timestamp-ms"]), reverse=True
        )
        millis = clock.epoch_millis(at)
        then = next((entry["snapshot-id"] for entry in log if entry["timestamp-ms"] <= millis), None)
        return None if then is None else known.get(then)

    def files(self, snapshot: Snapshot | None, org: str | None) -> list[LakeFile]:
        """The data files of a snapshot, of one tenant if it is named.

        Raises:
            PermanentError: another program has deleted rows by delete files.
            MillraceError: the lake did not answer.
        """
        if snapshot is None:
            return []
        manifests = list(self._avro(snapshot.manifests))
        with ThreadPoolExecutor(READERS) as pool:
            found = [file for files in pool.map(self._of, manifests) for file in files]
        return [file for file in found if org is None or file.org == org]

    def _of(self, manifest: Mapping[str, Any]) -> list[LakeFile]:
        if manifest.get("content", _DATA) != _DATA:
            if any(
                manifest.get(f"{kind}_{unit}_count")
                for kind in ("added", "existing")
                for unit in ("files", "data_files")
            ):
                raise PermanentError(
                    f"{self.name} has delete files, which Millrace does not write and does not read: "
                    "compact the table with the program that made them"
                )
            return []
        spec = next(
            one
            for one in self._document["partition-specs"]
            if one["spec-id"] == manifest["partition_spec_id"]
        )
        entries = self._avro(manifest["manifest_path"])
        return [
            self._file(entry["data_file"], spec["fields"]) for entry in entries if entry["status"] != _DELETED
        ]

    def _file(self, file: Mapping[str, Any], spec: list[dict[str, Any]]) -> LakeFile:
        org, day = "", None
        names = {field["id"]: field["name"] for field in self._fields}
        for field in spec:
            value = file["partition"][field["name"]]
            if field["transform"] == "day":
                day = None if value is None else _day(value).isoformat()
            elif names.get(field["source-id"]) == ORG_COLUMN:
                org = str(value)
        sizes = {
            names[one["key"]]: int(one["value"])
            for one in file.get("column_sizes") or ()
            if one["key"] in names
        }
        return LakeFile(file["file_path"], org, day, int(file["file_size_in_bytes"]), sizes)

    def _avro(self, location: str) -> Iterator[Any]:
        return iter(fastavro.reader(io.BytesIO(self._lake.get(_key(location, self._lake.bucket)))))


def open_table(glue: Any, environment: str, lake: Objects, name: str) -> IcebergTable | None:
    """A table by its full name, such as `silver.order_created_v1`; None where there is none.

    Raises:
        MillraceError: Glue or the lake did not answer.
    """
    layer, bare = split(name)
    try:
        with calling(f"open {name}"):
            found = glue.get_table(DatabaseName=database(environment, layer), Name=bare)["Table"]
    except NotFoundError:
        return None
    location = found.get("Parameters", {}).get("metadata_location", "")
    document = orjson.loads(lake.get(_key(location, lake.bucket), doing=f"read the metadata of {name}"))
    return IcebergTable(name, document, lake)


def duckdb_type(of: Any) -> str:
    """A type of the specification as DuckDB writes it: `STRUCT("product_id" VARCHAR)[]`."""
    if isinstance(of, str):
        return (
            f"DECIMAL{of.removeprefix('decimal').replace(' ', '')}"
            if of.startswith("decimal")
            else DUCKDB[of]
        )
    match of["type"]:
        case "list":
            return f"{duckdb_type(of['element'])}[]"
        case "map":
            return f"MAP({duckdb_type(of['key'])}, {duckdb_type(of['value'])})"
        case _:
            fields = (f"{identifier(one['name'])} {duckdb_type(one['type'])}" for one in of["fields"])
            return f"STRUCT({', '.join(fields)})"


def _day(value: Any) -> date:
    return value if isinstance(value, date) else clock.EPOCH.date() + timedelta(days=int(value))


def _key(location: str, bucket: str) -> str:
    prefix = f"s3://{bucket}/"
    if not location.startswith(prefix):
        raise PermanentError(f"{location} is not in the lake")
    return location.removeprefix(prefix)
