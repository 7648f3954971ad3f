"""What must hold between the parts of a contract, beyond what each part says alone. Build only."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import jsonschema_rs

from millrace.compiler import personal_data, purposes
from millrace.contracts import columns, derived, envelope, rules
from millrace.contracts.contract import FACT_LENGTH, KEY_LENGTH, PROTECTED, Contract
from millrace.contracts.decimals import SCALE, is_decimal
from millrace.contracts.schema import leaves, types

Report = Callable[[str, str], None]

_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_OF_EVERY_OBJECT = frozenset(
    {
        "constructor",
        "hasOwnProperty",
        "isPrototypeOf",
        "propertyIsEnumerable",
        "toLocaleString",
        "toString",
        "valueOf",
    }
)
# Texts and whole numbers can name something; other values have no one spelling.
_NAMING = frozenset({"string", "integer"})
# What intake fills in or replaces: a rule would judge the sender's event and silver's row differently.
_NOT_FOR_RULES = frozenset({None, "/eventId", "/eventSource", "/userId"})


def check(contract: Contract, report: Report) -> None:
    """Reports whatever contradicts itself."""
    fields = dict(leaves(contract.data_schema, "/data"))
    wrong = list(derived.problems(contract.silver, columns.columns(replace(contract, silver=()))))
    for sentence in wrong:
        report("/customProperties", sentence)
    if wrong:
        # What follows asks for columns that cannot be made.
        contract = replace(contract, silver=())
    known = {
        **{f"/{name}": part for name, part in envelope.schema({}, ids=contract.ids)["properties"].items()},
        **fields,
    }
    _schema(contract, report)
    names = list(_names(contract))
    for sentence in names:
        report("/schema/0", sentence)
    if not names:
        _columns(contract, report)
    _naming(contract, known, report)
    _rules(contract, known, report)
    for sentence in (*personal_data.problems(contract), *purposes.problems(contract)):
        report("/customProperties", sentence)


def _rules(contract: Contract, known: dict[str, dict[str, Any]], report: Report) -> None:
    """Rules read only what has a column of its own in silver, where their SQL form reads it."""
    usable = {
        column.pointer: known[column.pointer]
        for column in columns.columns(contract)
        if column.pointer is not None and column.pointer not in _NOT_FOR_RULES
    }
    items = {pointer: part for pointer, part in known.items() if "*" in pointer}
    protected = frozenset(pointer for pointer, name in contract.classification.items() if name in PROTECTED)
    event_type = {"/eventType": {"type": "string"}}
    for index, problem in rules.problems(contract.rules, {**usable, **items, **event_type}, protected):
        report("/customProperties", f"rule {index + 1}: {problem}")


def _schema(contract: Contract, report: Report) -> None:
    try:
        jsonschema_rs.validator_for(
            envelope.schema(contract.data_schema), pattern_options=jsonschema_rs.RegexOptions()
        )
    except (jsonschema_rs.ValidationError, ValueError) as error:
        report("/schema/0", f"the fields make no valid JSON Schema: {str(error).splitlines()[0]}")
        return
    for pointer, field in leaves(contract.data_schema, "/data"):
        for sentence in contradictions(field):
            report("/schema/0", f"{pointer}: {sentence}")


# Pairs of limits of which the first may not be beyond the second.
_LIMITS = (
    *(("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties")),
    *(("minimum", "maximum"), ("minimum", "exclusiveMaximum"), ("exclusiveMinimum", "maximum")),
    ("exclusiveMinimum", "exclusiveMaximum"),
)


def contradictions(schema: dict[str, Any]) -> Iterator[str]:
    """Limits of one field that no value, or not all values of its list, can keep. Items and fields are not looked at."""
    for low, high in _LIMITS:
        if low not in schema or high not in schema:
            continue
        edge = "exclusive" in low or "exclusive" in high
        if schema[low] > schema[high] or (edge and schema[low] == schema[high]):
            yield f"no value keeps {low} {schema[low]} and {high} {schema[high]}"
            return
    values = [value for value in schema.get("enum", ()) if value is not None]
    if values:
        try:
            alone = jsonschema_rs.validator_for(
                {key: part for key, part in schema.items() if key not in ("enum", "multipleOf")},
                validate_formats=True,
                pattern_options=jsonschema_rs.RegexOptions(),
            )
        except (jsonschema_rs.ValidationError, ValueError):
            return  # reported for the whole schema
        for value in values:
            if not alone.is_valid(value):
                yield f"{value!r} is in the list, and the field's other limits refuse it"
            elif is_decimal(schema) and round(value, SCALE) != value:
                yield f"{value!r} is in the list, and has more than {SCALE} decimals"


def _names(contract: Contract) -> Iterator[str]:
    """Names that some form a contract is published in cannot have, or takes for one another."""
    seen: dict[str, str] = {}
    for pointer, _ in leaves(contract.data_schema, "/data"):
        above, _, name = pointer.rpartition("/")
        # Columns and DuckDB's structs know no upper case; Avro's records and Protobuf's messages and JSON names no _.
        other = seen.setdefault(pointer.replace("_", "").lower(), pointer)
        if name != "*" and not _FIELD.fullmatch(name):
            yield f"{pointer}: a field's name is letters, digits and _, and begins with a letter"
        elif name in _OF_EVERY_OBJECT:
            yield f"{pointer}: every object of JavaScript has a {name}; validators would find one in each event"
        elif other != pointer and other.rpartition("/")[0] == above:
            yield f"{pointer} and {other} differ in upper case or _ only"


def _columns(contract: Contract, report: Report) -> None:
    taken: dict[str, str] = {}
    for column in columns.columns(contract):
        if column.name in taken:
            report(
                "/schema/0",
                f"{column.pointer or 'what is derived'} would be silver's column {column.name}, as {taken[column.name]} is; "
                "call it otherwise, or leave it out here and send it there where that is a field of every event",
            )
        taken[column.name] = column.pointer or "what the platform adds"


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
        if pointer not in known or "*" in pointer:
            report("/customProperties", f"{name}: no field is {pointer}")
        elif not _NAMING & types(known[pointer]):
            report("/customProperties", f"{name}: {pointer} is neither a text nor an integer")
        elif name != "subject" and known[pointer].get("maxLength", KEY_LENGTH) > KEY_LENGTH:
            report(
                "/customProperties", f"{name}: {pointer} is part of a key: at most {KEY_LENGTH} characters"
            )
        elif name != "subject" and contract.classification.get(pointer) in PROTECTED:
            report(
                "/customProperties",
                f"{name}: {pointer} is {contract.classification[pointer]}, so it is not a key",
            )
    for fact, pointer in contract.enrich.items():
        field = known.get(pointer, {})
        if not pointer.startswith("/data/metadata/") or pointer.count("/") != 3 or types(field) != {"string"}:
            report("/customProperties", f"enrich: {fact} goes into a text directly below /data/metadata")
        elif fact == "userAgent" and field.get("maxLength", FACT_LENGTH) < FACT_LENGTH:
            report("/customProperties", f"enrich: {pointer} needs room for {FACT_LENGTH} characters")
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
        (
            contract.derived and not PROTECTED.isdisjoint(contract.classification.values()),
            "derived: the platform stores what it makes as it is, so no field of such a type is confidential or restricted",
        ),
    ):
        if wrong:
            report("/customProperties", sentence)


def references(contracts: Iterable[Contract]) -> Iterator[tuple[str, str]]:
    """References that lead nowhere: name of the contract and sentence."""
    known: dict[str, set[str]] = {}
    everything = list(contracts)
    for contract in everything:
        pointers = {column.pointer for column in columns.columns(contract) if column.pointer}
        known[contract.event_type] = known.get(contract.event_type, set()) | pointers
    for contract in everything:
        for rule in contract.rules:
            if rule["kind"] == "reference" and rule["key"] not in known.get(rule["type"], set()):
                yield contract.name, f"reference: {rule['type']} has no field {rule['key']}"


def shared_names(contracts: Iterable[Contract]) -> Iterator[tuple[str, str]]:
    """Types whose names differ in dots and _ only, and so would share a silver table or an Avro record: name of the contract and sentence."""
    owners: dict[str, Contract] = {}
    for contract in contracts:
        owner = owners.setdefault(columns.table(contract).replace("_", ""), contract)
        if owner is not contract:
            yield (
                contract.name,
                f"silver.{columns.table(contract)} and the table of {owner.event_type} differ in _ only, and so do their Avro records",
            )
