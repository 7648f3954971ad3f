"""What a deploy leaves behind for the next one to be compared with: the sources of its contracts, packed. Build only.

The template of the ingestion stack has them in its metadata. So the gate knows what runs without a key of a tenant or a store of its
own, by one call that a deploy makes anyway, and whatever the state of the checkout that was deployed.
"""

import base64
import zlib
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from millrace.compiler import pins, publications
from millrace.compiler.aggregate_diff import gate_aggregates
from millrace.compiler.aggregates import FOLDER as AGGREGATES
from millrace.compiler.diff import Breaking, gate, gate_tables, needed_version, notices
from millrace.compiler.documents import yaml_file
from millrace.compiler.event_contracts import compile_document, contract_files, file_of
from millrace.compiler.publications import Publication
from millrace.compiler.readers import gate_reads
from millrace.compiler.table_contracts import FOLDER as TABLES
from millrace.compiler.table_contracts import compile_table
from millrace.contracts.contract import Contract
from millrace.contracts.tables import LakeTable

# Under this name a template's metadata has them.
METADATA = "MillraceContracts"


@dataclass(frozen=True, slots=True)
class Deployed:
    """The contracts of an environment.

    Attributes:
        events: file below `schemas/` → its document.
        tables: the same, of tables.
        published: `order.created 1.2.0` → its number, and the registry ids of its forms.
        pins: `features/customer_orders@1` → the digest of the definition.
        aggregates: file below `schemas/` → its document.
    """

    events: Mapping[str, Any]
    tables: Mapping[str, Any]
    published: Mapping[str, list[int]]
    # An older deploy recorded none.
    pins: Mapping[str, str] = field(default_factory=dict)
    aggregates: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found.

    Attributes:
        breaking: the reasons to refuse.
        notices: sentences on what to mind.
        versions: contract that needs nothing but a higher version → that version.
    """

    breaking: list[Breaking]
    notices: list[str]
    versions: Mapping[str, str]


def of(schemas_dir: Path) -> Deployed:
    """What a deploy of this folder leaves behind."""
    tables = sorted((schemas_dir / TABLES).rglob("*.yaml"))
    return Deployed(
        events=_documents(contract_files(schemas_dir), schemas_dir),
        tables=_documents(tables, schemas_dir),
        published={_name(one): _marks(one) for one in publications.published(schemas_dir)},
        pins=pins.read_all(schemas_dir),
        aggregates=_documents(sorted((schemas_dir / AGGREGATES).glob("*.yaml")), schemas_dir),
    )


def pack(deployed: Deployed) -> str:
    """As a text: 100 KB of contracts take 20."""
    parts = [getattr(deployed, one.name) for one in fields(deployed)]
    return base64.b64encode(zlib.compress(orjson.dumps(parts), 9)).decode()


def unpack(text: str) -> Deployed:
    """Reads what `pack` wrote."""
    return Deployed(*orjson.loads(zlib.decompress(base64.b64decode(text))))


def compare_with(
    before: Deployed,
    schemas_dir: Path,
    contracts: Iterable[Contract],
    tables: Iterable[LakeTable],
    today: date,
) -> Comparison:
    """What keeps a folder from being deployed over what is there.

    Args:
        before: what the environment has, or another revision of the folder.
        schemas_dir: what is to be deployed.
        contracts: those of the folder.
        tables: those of the folder.
        today: the UTC day of the comparison.

    Raises:
        ContractError: this compiler no longer reads what has changed since.
    """
    after, new = of(schemas_dir), {one.name: one for one in contracts}
    # What is the same needs no comparison.
    old = [compile_document(document, name) for name, document in _changed(before.events, after.events)]
    old_tables = [compile_table(document, name) for name, document in _changed(before.tables, after.tables)]
    names = {one.name for one in old}
    added = {name for name, one in new.items() if _file(one, schemas_dir) not in before.events}
    base = {name: one for name, one in new.items() if name not in added} | {one.name: one for one in old}
    reasons = [
        *gate(old, [one for one in new.values() if one.name in names], today),
        *gate_tables(old_tables, tables),
        *gate_aggregates(before.aggregates, after.aggregates),
        *gate_reads(base, [new[name] for name in new if name in names | added], schemas_dir),
        *_published(before.published, after.published),
    ]
    kinds = {name: {reason.kind for reason in reasons if reason.contract == name} for name in names}
    versions = {
        one.name: free_version(one, new[one.name], after.published)
        for one in old
        if kinds[one.name] == {"version"}
    }
    return Comparison(reasons, notices(old, new.values()), versions)


def free_version(old: Contract, new: Contract, published: Container[str]) -> str:
    """The first version under which a changed contract can be published."""
    version = needed_version(old, new)
    while version != old.version and f"{new.event_type} {version}" in published:
        major, minor, patch = version.split(".")
        fields = version.endswith(".0")
        version = f"{major}.{int(minor) + 1}.0" if fields else f"{major}.{minor}.{int(patch) + 1}"
    return version


def _documents(files: Iterable[Path], schemas_dir: Path) -> dict[str, Any]:
    names = {file.relative_to(schemas_dir).as_posix(): file for file in files}
    return {name: yaml_file(file, name) for name, file in names.items()}


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, document in before.items():
        if document != after.get(name):
            yield name, document


def _file(contract: Contract, schemas_dir: Path) -> str:
    return file_of(contract, schemas_dir).relative_to(schemas_dir).as_posix()


def _published(before: Mapping[str, list[int]], after: Mapping[str, list[int]]) -> Iterator[Breaking]:
    for name, marks in before.items():
        if after.get(name) != marks:
            event_type, _, version = name.partition(" ")
            fate = "has other texts or another number" if name in after else "is gone"
            contract = f"{event_type}.v{version.partition('.')[0]}"
            yield Breaking(contract, "/version", "published", f"{version} is published, and {fate}")


def _name(one: Publication) -> str:
    return f"{one.event_type} {one.version}"


def _marks(one: Publication) -> list[int]:
    return [one.number, *one.ids().values()]
