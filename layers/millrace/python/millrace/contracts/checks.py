"""What must hold between the parts of a contract, beyond what each part says alone. Build only."""

import re
from collections.abc import Callable
from typing import Any

import jsonschema_rs

from millrace.contracts import envelope, rules
from millrace.contracts.contract import PROTECTED, Contract
from millrace.contracts.fields import leaves

Report = Callable[[str, str], None]

# Columns that silver takes from the envelope; a field of the payload may not claim one.
SILVER = frozenset(
    {
        *("event_id", "event_time", "event_source", "correlation_id", "user_key", "session_id"),
        *("org_id", "received_at", "contract"),
    }
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Texts and whole numbers can name something; other values have no one spelling.
_NAMING = frozenset({"string", "integer"})


def snake(name: str) -> str:
    """`totalAmount` → `total_amount`; `isIOSApp` → `is_ios_app`."""
    return _CAMEL.sub("_", name).lower()


def check(contract: Contract, report: Report) -> None:
    """Reports whatever contradicts itself."""
    fields = dict(leaves(contract.data_schema, "/data"))
    known = {**{f"/{name}": part for name, part in envelope.schema({})["properties"].items()}, **fields}
    _schema(contract, report)
    _columns(contract, report)
    _naming(contract, known, report)
    for index, problem in rules.problems(contract.rules, known):
        report("/customProperties", f"rule {index + 1}: {problem}")


def _schema(contract: Contract, report: Report) -> None:
    try:
        jsonschema_rs.validator_for(
            envelope.schema(contract.data_schema), pattern_options=jsonschema_rs.RegexOptions()
        )
    except (jsonschema_rs.ValidationError, ValueError) as error:
        report("/schema/0", f"the fields make no valid JSON Schema: {str(error).splitlines()[0]}")


def _columns(contract: Contract, report: Report) -> None:
    parts: dict[str, Any] = contract.data_schema.get("properties", {})
    taken: dict[str, str] = dict.fromkeys(SILVER, "an envelope column")
    for part, prefix in (("payload", ""), ("metadata", "meta_")):
        for pointer, column in columns(parts.get(part, {}), f"/data/{part}", prefix):
            if not _FIELD.fullmatch(pointer.rsplit("/", 1)[1]):
                report(
                    "/schema/0",
                    f"{pointer}: a field's name is letters, digits and _, and begins with a letter",
                )
            if column in taken:
                report("/schema/0", f"{pointer} would be silver's column {column}, which is {taken[column]}")
            taken[column] = f"{pointer}'s"


def columns(schema: dict[str, Any], pointer: str, prefix: str) -> list[tuple[str, str]]:
    """Pointer and silver column of each field: objects are flattened, arrays and free objects are one column."""
    found: list[tuple[str, str]] = []
    for name, part in schema.get("properties", {}).items():
        if part.get("properties"):
            found += columns(part, f"{pointer}/{name}", f"{prefix}{snake(name)}_")
        else:
            found.append((f"{pointer}/{name}", f"{prefix}{snake(name)}"))
    return found


def _naming(contract: Contract, known: dict[str, dict[str, Any]], report: Report) -> None:
    """Pointers lead to what can name something; and the properties fit together."""
    pointers = {
        **{f"entity {name}": pointer for name, pointer in contract.entity.items()},
        "userId": contract.user_id_pointer,
        "subject": contract.subject,
        "partitionKey": contract.partition_key,
    }
    for name, pointer in pointers.items():
        if pointer is None:
            continue
        types = known.get(pointer, {}).get("type")
        if pointer not in known:
            report("/customProperties", f"{name}: no field is {pointer}")
        elif not _NAMING & {*(types if isinstance(types, list) else [types])}:
            report("/customProperties", f"{name}: {pointer} is neither a text nor an integer")
        elif name != "subject" and contract.classification.get(pointer) in PROTECTED:
            report(
                "/customProperties",
                f"{name}: {pointer} is {contract.classification[pointer]}, so it is no key",
            )
    for wrong, sentence in (
        (
            contract.user_id_pointer and not contract.user_id_pointer.startswith("/data/"),
            "userId: the envelope's userId is filled from the data, not from itself",
        ),
        (
            contract.partition_key and contract.store != "none",
            "partitionKey: change records of the table have a random key; only events of store none have one",
        ),
        (
            ("entity" in contract.indexes) != bool(contract.entity),
            "the index entity and the property entity need each other",
        ),
        (
            contract.lateness_seconds > contract.retention_days * 86_400,
            "lateness: an event cannot be late for longer than it is kept",
        ),
    ):
        if wrong:
            report("/customProperties", sentence)
