"""`schemas/purposes.yaml`, and what contracts say of purposes. Build only."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from millrace.compiler.documents import yaml_file
from millrace.compiler.sentences import meant
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.contracts.pointers import write
from millrace.contracts.schema import leaves
from millrace.privacy.consent import BASES, WITHDRAWABLE, WITHOUT, Purpose
from millrace.privacy.suppressed import READS

FILE = "purposes.yaml"
FORM = f"a list of {{purpose, without, fields}}: without is one of {', '.join(WITHOUT)}, and mask names the fields that are left out"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_KEYS = {"version", "description", "legalBasis", "default"}


def compile_purposes(schemas_dir: Path) -> dict[str, Purpose]:
    """The purposes by name; none where there is no file.

    Raises:
        ContractError: with every problem of the file.
    """
    path = schemas_dir / FILE
    read_file = yaml_file(path, FILE) if path.exists() else None
    document = {} if read_file is None else read_file
    if not isinstance(document, dict):
        raise ContractError([ContractProblem(FILE, "", "it is an object from names to purposes")])
    problems = [
        ContractProblem(FILE, write([name]), sentence)
        for name, one in document.items()
        for sentence in _problems(name, one)
    ]
    if problems:
        raise ContractError(problems)
    return {
        name: Purpose(
            name, one["version"], one["description"], one["legalBasis"], one["default"] == "granted"
        )
        for name, one in document.items()
    }


def _problems(name: Any, one: Any) -> Iterator[str]:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield "a purpose's name is lower case letters, digits and _"
    if not isinstance(one, dict) or one.keys() != _KEYS:
        yield f"a purpose has {', '.join(sorted(_KEYS))}"
        return
    if isinstance(one["version"], bool) or not isinstance(one["version"], int) or one["version"] < 1:
        yield "a version is a whole number from 1 on"
    if not isinstance(one["description"], str) or not one["description"].strip():
        yield "a description says what persons are told"
    if one["legalBasis"] not in BASES:
        yield f"a legal basis is one of {', '.join(BASES)}"
    elif one["default"] not in ("granted", "denied"):
        yield "default is granted or denied"
    elif name in READS and one["default"] != "granted":
        yield "reads of the lake are for it, and leave out who has withdrawn it: its default is granted"
    elif one["legalBasis"] not in WITHDRAWABLE and one["default"] != "granted":
        yield "what rests on a contract or the law holds without consent: its default is granted"


def read(value: Any) -> list[dict[str, Any]]:
    """The custom property `consent` of a contract.

    Raises:
        ValueError: it is not of its form.
    """
    rules = value if isinstance(value, list) else None
    if rules is None or not all(
        isinstance(one, dict) and isinstance(one.get("purpose"), str) for one in rules
    ):
        raise ValueError(f"consent is {FORM}")
    for one in rules:
        fields = one.get("fields", [])
        if one.keys() - {"purpose", "without", "fields"} or one.get("without") not in WITHOUT:
            raise ValueError(f"consent is {FORM}")
        if not isinstance(fields, list) or not all(isinstance(pointer, str) for pointer in fields):
            raise ValueError(f"consent is {FORM}")
        if (one["without"] == "mask") != bool(fields):
            raise ValueError("consent: mask names the fields that are left out, and nothing else has any")
    return [
        {"purpose": one["purpose"], "without": one["without"], "fields": one.get("fields", [])}
        for one in rules
    ]


def problems(contract: Contract) -> Iterator[str]:
    """What contradicts the contract's fields: a masked one is left out, so nothing may need it."""
    fields = {pointer for pointer, _ in leaves(contract.data_schema, "/data")}
    named = {contract.subject, contract.user_id_pointer, contract.partition_key, *contract.entity.values()}
    checked = str(contract.rules)
    for rule in contract.consent:
        for pointer in rule["fields"]:
            if pointer not in fields or "*" in pointer or pointer.count("/") < 3:
                yield f"consent: no field is {pointer}, outside of lists"
            elif _is_required(contract, pointer):
                yield f"consent: {pointer} is required, so it cannot be left out"
            elif pointer in named or f"'{pointer}'" in checked:
                yield f"consent: {pointer} is a key, a person or part of a rule, so it cannot be left out"


def _is_required(contract: Contract, pointer: str) -> bool:
    *above, name = pointer.split("/")[2:]
    schema = contract.data_schema
    for part in above:
        schema = schema["properties"][part]
    return name in schema.get("required", ())


def references(contracts: Iterable[Contract], purposes: Mapping[str, Purpose]) -> Iterator[tuple[str, str]]:
    """Purposes that no file describes: name of the contract and sentence."""
    for contract in contracts:
        for rule in contract.consent:
            if rule["purpose"] not in purposes:
                yield (
                    contract.name,
                    f"consent: {FILE} has no purpose {rule['purpose']}{meant(rule['purpose'], purposes)}",
                )
