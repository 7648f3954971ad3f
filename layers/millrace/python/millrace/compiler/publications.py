"""Every version of every contract that was ever deployed, in the forms that others read. Build only.

`schemas/published/<type>/<version>.json` holds the texts of one version: what its author wrote, and its exports. A file is never
changed or removed: registry ids are hashes of the texts, rows name the version that they were accepted under, and whoever has
written with an old schema reads with it for ever. `millrace contracts publish` writes the files of the contracts in force.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from millrace.compiler.documents import yaml_file
from millrace.compiler.exports import avro, json_schema, protobuf
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractProblem
from millrace.contracts.schema import leaves

FOLDER = "published"
FORMS = ("odcs", "jsonschema", "avro", "protobuf")


@dataclass(frozen=True, slots=True)
class Publication:
    """A version of a contract in its forms.

    Attributes:
        event_type: such as `order.created`.
        version: full, such as `1.2.0`.
        number: 1 for the first of the type that was published, and so on: what Confluent calls a version.
        texts: form, of `FORMS`, → text.
    """

    event_type: str
    version: str
    number: int
    texts: Mapping[str, str]

    @property
    def major(self) -> int:
        """Its major version."""
        return int(self.version.split(".", maxsplit=1)[0])

    @property
    def minor(self) -> int:
        """Its minor version."""
        return int(self.version.split(".")[1])

    def ids(self) -> dict[str, int]:
        """Form → registry id."""
        return {form: schema_id(form, text) for form, text in self.texts.items()}


def schema_id(form: str, text: str) -> int:
    """The registry's id of a schema: 31 bits of a hash of its text, so that the same text has the same id everywhere."""
    digest = hashlib.sha256(f"{form}\n{text}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF


def forms(contract: Contract, schemas_dir: Path) -> dict[str, str]:
    """The texts of a contract in force."""
    file = schemas_dir / _file(contract.event_type, contract.major, schemas_dir)
    return {
        "odcs": _compact(yaml_file(file, file.name)),
        "jsonschema": _compact(json_schema.export(contract)),
        "avro": _compact(avro.export(contract)),
        "protobuf": protobuf.export(contract),
    }


def published(schemas_dir: Path) -> list[Publication]:
    """What is published, by type and number."""
    publications = []
    for path in (schemas_dir / FOLDER).glob("*/*.json"):
        document = orjson.loads(path.read_bytes())
        publications.append(
            Publication(path.parent.name, path.stem, document["number"], {f: document[f] for f in FORMS})
        )
    return sorted(publications, key=lambda one: (one.event_type, one.number))


def with_current(contracts: Iterable[Contract], schemas_dir: Path) -> list[Publication]:
    """What is published, and the contracts in force that are not: they come last of their type."""
    known = published(schemas_dir)
    latest: dict[str, int] = defaultdict(int)
    for one in known:
        latest[one.event_type] = max(latest[one.event_type], one.number)
    names = {(one.event_type, one.version) for one in known}
    for contract in sorted(contracts, key=lambda one: (one.event_type, one.major)):
        if (contract.event_type, contract.version) not in names:
            latest[contract.event_type] += 1
            number = latest[contract.event_type]
            texts = forms(contract, schemas_dir)
            known.append(Publication(contract.event_type, contract.version, number, texts))
    return sorted(known, key=lambda one: (one.event_type, one.number))


def publish(contracts: Iterable[Contract], schemas_dir: Path) -> list[Path]:
    """Writes a file for each contract in force whose version is not published; returns them."""
    listed, written = [*contracts], []
    for one in with_current(listed, schemas_dir):
        path = schemas_dir / FOLDER / one.event_type / f"{one.version}.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"number": one.number, **one.texts}, indent=1, ensure_ascii=False)
            path.write_text(f"{text}\n", encoding="utf-8")
            written.append(path)
    return written


def problems(contracts: Iterable[Contract], schemas_dir: Path) -> Iterator[ContractProblem]:
    """Contracts in force that are not published, or whose published version has other texts; and ids that meet."""
    listed = [*contracts]
    known = {(one.event_type, one.version): one for one in published(schemas_dir)}
    for contract in listed:
        name = _file(contract.event_type, contract.major, schemas_dir)
        one = known.get((contract.event_type, contract.version))
        if one is None:
            sentence = f"{contract.version} is not published; run: millrace contracts publish"
            yield ContractProblem(name, "/version", sentence)
            continue
        texts = forms(contract, schemas_dir)
        changed = [form for form in FORMS if texts[form] != one.texts[form]]
        if changed:
            sentence = (
                f"{contract.version} is published with another {' and '.join(changed)}; raise the version, or, "
                "where it was never deployed, run: millrace contracts build"
            )
            yield ContractProblem(name, "/version", sentence)
    owners: dict[int, tuple[str, str]] = {}
    for one in with_current(listed, schemas_dir):
        for form, text in one.texts.items():
            if owners.setdefault(schema_id(form, text), (form, text)) != (form, text):
                sentence = f"the {form} of {one.version} has the registry id of another schema; change its description"
                yield ContractProblem(_file(one.event_type, one.major, schemas_dir), "/version", sentence)


def with_history(contracts: Iterable[Contract], schemas_dir: Path) -> list[Contract]:
    """The contracts, each with the minor since which it has each of its fields, where that is not the first."""
    fields: dict[tuple[str, int], list[tuple[int, frozenset[str]]]] = defaultdict(list)
    for one in published(schemas_dir):
        document = json.loads(one.texts["jsonschema"])
        pointers = frozenset(pointer for pointer, _ in leaves(document["properties"]["data"], "/data"))
        fields[one.event_type, one.major].append((one.minor, pointers))
    return [replace(one, since=_since(one, fields[one.event_type, one.major])) for one in contracts]


def _since(contract: Contract, earlier: list[tuple[int, frozenset[str]]]) -> dict[str, int]:
    # By the earliest minor that is known: what stood before the first publication cannot be told.
    first = min((minor for minor, _ in earlier), default=contract.minor)
    minors = {}
    for pointer, _ in leaves(contract.data_schema, "/data"):
        since = min((minor for minor, pointers in earlier if pointer in pointers), default=contract.minor)
        if since > first:
            minors[pointer] = since
    return minors


def _file(event_type: str, major: int, schemas_dir: Path) -> str:
    (file,) = (schemas_dir / "events").glob(f"*/{event_type}/v{major}.yaml")
    return str(file.relative_to(schemas_dir))


def _compact(document: Any) -> str:
    return orjson.dumps(document).decode()
