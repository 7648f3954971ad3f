"""All that a tenant has in every store, in a form in which two runs can be compared."""

import base64
import io
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import orjson
import pyarrow.parquet as pq

from millrace.contracts import registry
from millrace.core import keys
from millrace.core.prefixes import DEAD_LETTERS, QUARANTINE, RAW_EVENTS
from millrace.core.table import Table
from millrace.eventstore import receipts, tenant_key
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item
from millrace.iceberg import glue_tables
from millrace.iceberg import tables as iceberg
from millrace.lake import duck
from millrace.privacy import assemble, tenant_secrets
from millrace.privacy.tenant_box import TenantBox
from millrace.quarantine import bodies
from tests.support.extremes import counted
from tests.support.extremes.world import World
from tests.support.rows import pointed_at

# Place → what is there, in no order.
Snapshot = dict[str, list[str]]
# Of the run or of the machine, not of what was sent: names of requests and runs, and how long each stage took.
_OF_THE_RUN = {
    "requestId", "request_id", "stages", "runId", "run", "snapshot", "version", "object", "objects", "token", "bytes", "place",
    "snapshots", "stateSnapshot", "log_shard", "log_sequence", "log_arrived_at",
    # Sealed for a person with a key that is random, and so is what the sealing adds.
    "sealed", "sealed_subject", "sealed_values",
}  # fmt: skip
_BATCHES = {receipts.MANIFEST, receipts.ROUTED}


def of_tenants(world: World, orgs: set[str]) -> Snapshot:
    """Everything of these tenants."""
    by_place: dict[str, list[str]] = defaultdict(list)
    for place, org, what in _everything(world):
        if org in orgs:
            by_place[f"{org} {place}"].append(what)
    # A record of the log may come twice, and be published twice.
    return {place: sorted(set(held)) for place, held in by_place.items()}


def different(expected: Snapshot, actual: Snapshot) -> Iterator[str]:
    """In a sentence each, where two are not the same."""
    for place in sorted({*expected, *actual}):
        wanted, there = set(expected.get(place, ())), set(actual.get(place, ()))
        if wanted != there:
            lost, more = sorted(wanted - there), sorted(there - wanted)
            differences = [
                f"{len(one)} {name}, such as {one[0][:600]}"
                for name, one in (("less", lost), ("more", more))
                if one
            ]
            yield f"{place}: {'; '.join(differences)}"


def tables(world: World) -> list[tuple[str, dict[str, Any]]]:
    """Every row of every table of the lake, with the table's name; read once, when all is done."""
    if not world.queried:
        catalog = iceberg.catalog(world.lake.environment, world.lake.bucket)
        access = duck.S3Access.from_environment()
        with closing(duck.connect(memory_mb=500, threads=2, s3=access)) as connection:
            for name in glue_tables.locations(world.lake.glue, world.lake.environment):
                opened = iceberg.open_table(catalog, name)
                if opened is None:
                    continue
                files = [file.path for file in opened.files()]
                duck.create_view(connection, name, opened.columns, files)
                cursor = connection.execute(f"SELECT * FROM {name}")
                names = [column[0] for column in cursor.description or ()]
                world.queried += [(name, dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
    return world.queried


def raw(world: World) -> Iterator[dict[str, Any]]:
    """Every row that the archive wrote."""
    for body in world.objects(RAW_EVENTS).values():
        yield from pq.read_table(io.BytesIO(body)).to_pylist()


def _everything(world: World) -> Iterator[tuple[str, str, str]]:
    """Place, tenant and what is there."""
    for name, row in tables(world):
        yield name, str(row["org_id"]), _text(row)
    for row in raw(world):
        held = {**row, "payload": orjson.loads(row["payload"])}
        if row["sealed_subject"] is not None:
            del held["fingerprint"]
        yield "raw", row["org_id"], _text(held)
    codec = Codec(registry.load().dictionary)
    for item in world.rows("Events"):
        envelope = from_item(item, codec).envelope
        # A fingerprint over protected values is made with the person's key.
        kept = ("body", "requestId", *(("fingerprint",) if "sealed" in envelope["platform"] else ()))
        plain = {name: held for name, held in item.items() if name not in kept}
        yield "Events", item["orgId"]["S"], _text({"envelope": envelope, **plain})
    for item in world.rows("UserEvents"):
        yield "UserEvents", pointed_at(item)[0], _text(item)
    for item in world.rows("FeatureStore"):
        yield "FeatureStore", _owner(item["featureKey"]["S"]), _text(item)
    for item in world.rows("Metadata"):
        yield from _metadata(item)
    yield from _sums(world)
    box = TenantBox(assemble.tenant_keys(Table(world.dynamodb, "Metadata"), world.kms_key))
    for key, body in world.objects(QUARANTINE).items():
        refused = orjson.loads(body)
        for one in refused["entries"]:
            raw_text = bodies.opened(one, refused["orgId"], box)
            what = {"raw": raw_text, "errors": one["errors"], "type": one["eventType"]}
            yield "quarantine", key.split("org=")[1].partition("/")[0], _text(what)
    for message in world.published():
        yield "bus", message["detail"]["platform"]["orgId"], _text(message["detail"])


def _sums(world: World) -> Iterator[tuple[str, str, str]]:
    """What is the same in the sum alone, because batches are made of whatever was sent beside it."""
    in_objects = Counter[tuple[str, str]]()
    for item in world.rows("Metadata"):
        org, kind, *more = item["entityTypeKey"]["S"].split(keys.SEPARATOR)
        if kind == receipts.OBJECTS:
            in_objects[org, more[0]] += int(item["rows"]["N"])
    for (org, day), number in in_objects.items():
        yield "Metadata objects", org, f"{day} {number}"
    for (org, *tile), shown in counted.of(world).items():
        yield "Analytics tiles", str(org), _text((tile, shown))


def _metadata(item: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    partition, name = item["entityTypeKey"]["S"], item["entityId"]["S"]
    org, kind, *more = partition.split(keys.SEPARATOR)
    if kind in _BATCHES:
        packed = bytes(item["ids"]["B"])
        for at in range(0, len(packed), 16):
            yield f"Metadata {kind}", org, f"{more} {packed[at : at + 16].hex()}"
    elif kind == "pending":
        yield "Metadata pending", _owner(name), name
    elif kind not in (
        receipts.OBJECTS,
        "quarantine",
        "audit",
        "setting",
        tenant_key.KIND,
        tenant_secrets.USE,
        "credential",
        "tenant",
    ):
        yield f"Metadata {kind}", org, _text({"partition": partition, "name": name, **item})


def _owner(key: str) -> str:
    return key.partition(keys.SEPARATOR)[0]


def _text(value: Any) -> str:
    return repr(_bare(value))


def _bare(value: Any) -> Any:
    """Without what is of the run."""
    if isinstance(value, Mapping):
        return sorted((str(name), _bare(part)) for name, part in value.items() if name not in _OF_THE_RUN)
    if isinstance(value, list | tuple):
        return [_bare(part) for part in value]
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(bytes(value)).decode()
    return value


__all__ = ["DEAD_LETTERS", "Snapshot", "different", "of_tenants", "raw", "tables"]
