"""The contract of a database table's changes, from its catalog and a few of its rows. Pure; build only.

What a row holds is declared by the types of its columns, so the contract accepts every value that the table can hold. What a person
has to judge stands behind a column as a comment: a class that the detector suggests by name and values.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from millrace.cdc.database import Table
from millrace.cdc.events import type_of
from millrace.cdc.values import is_list
from millrace.compiler import first_contract_text
from millrace.compiler.documents import OnceLoader
from millrace.compiler.event_contracts import compile_document
from millrace.compiler.first_contract import FirstContract
from millrace.compiler.guessed_fields import Field, Guess
from millrace.contracts.contract import PROTECTED

# PostgreSQL's type below a column → how a contract calls its form of JSON (`cdc/values.py`). All others are texts.
_LOGICAL = {
    "bool": {"logicalType": "boolean"},
    "int2": {"logicalType": "integer"},
    "int4": {"logicalType": "integer"},
    "int8": {"logicalType": "integer"},
    "oid": {"logicalType": "integer"},
    "float4": {"logicalType": "number"},
    "float8": {"logicalType": "number"},
    "date": {"logicalType": "date"},
    "timestamptz": {"logicalType": "timestamp"},
}
# Of these no value is special: neither NaN nor infinity nor a year beyond four digits.
_NEVER_SPECIAL = frozenset(
    {"bool", "int2", "int4", "int8", "oid", "bytea", "text", "varchar", "bpchar", "uuid", "json", "jsonb"}
)
_TEXT: dict[str, Any] = {"logicalType": "string"}
_PLACE: list[dict[str, Any]] = [
    {
        "name": "operation",
        "logicalType": "string",
        "enum": [{"value": name} for name in ("insert", "update", "delete", "truncate", "snapshot")],
        "required": True,
    },
    {"name": "lsn", "logicalType": "integer", "required": True},
    {"name": "index", "logicalType": "integer", "required": True},
    {"name": "transaction", "logicalType": "integer", "required": True},
]


def contract(
    table: Table,
    types: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
    *,
    domain: str,
    moment: str,
) -> FirstContract:
    """The contract of `<schema>.<table>.changed`.

    Args:
        table: from the catalog.
        types: of each column the name of its type, that below a domain; an array's begins with `_`.
        rows: some of the table's, as `Database.chunk` reads them; the detector looks at their values.
        domain: the contract's, and its folder.
        moment: when the golden events are said to have been committed, RFC 3339.

    Raises:
        ContractError: the contract does not compile: the sentence says which column.
    """
    columns, special = [], []
    guesses: list[str] = []
    for name, _ in table.columns:
        values = [(line, row[name]) for line, row in enumerate(rows, 1) if row.get(name) is not None]
        one = {"name": name, **_form(types.get(name, "")), **_class(guesses, name, values, table)}
        columns.append(one)
        if types.get(name, "") not in _NEVER_SPECIAL:
            kept = {key: one[key] for key in ("classification",) if key in one}
            special.append({"name": name, **_TEXT, **kept})
    payload = [
        *_PLACE,
        {"name": "before", "logicalType": "object", "properties": [_without_note(one) for one in columns]},
        {"name": "after", "logicalType": "object", "properties": columns},
        {"name": "unchanged", "logicalType": "array", "items": _TEXT},
    ]
    if special:
        images = [
            {"name": image, "logicalType": "object", "properties": special} for image in ("before", "after")
        ]
        payload.append({"name": "special", "logicalType": "object", "properties": images})
    name = type_of(table.name)
    text = first_contract_text.of(
        name, domain, payload, [], user=None, entity=None, any_ids=False, samples=len(rows)
    )
    document = yaml.load(text, OnceLoader)  # noqa: S506  it is a SafeLoader
    compile_document(document, "the contract")
    return FirstContract(
        name, text, document, len(rows), _golden(name, table, columns, moment), _broken(), guesses
    )


def _form(kind: str) -> dict[str, Any]:
    if is_list(kind):
        return {"logicalType": "array", "items": _LOGICAL.get(kind[1:], _TEXT)}
    return dict(_LOGICAL.get(kind, _TEXT))


def _class(guesses: list[str], name: str, values: list[tuple[int, Any]], table: Table) -> dict[str, Any]:
    """The class that is suggested for a column of texts; a key is never protected, for rows are found by it."""
    texts = [(line, value) for line, value in values if isinstance(value, str)]
    if len(texts) < len(values) or not texts or name in table.key:
        return {}
    guess = Guess()
    found = guess.field(Field(name, f"/data/payload/after/{name}", texts, len(texts)))
    if found.get("classification") not in PROTECTED:
        return {}
    guesses += guess.guesses
    return {"classification": found["classification"], "#": found["#"]}


def _without_note(one: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key != "#"}


_EXAMPLES: Mapping[str, Any] = {
    "boolean": True,
    "integer": 1,
    "number": 1.5,
    "date": "2024-02-29",
    "timestamp": "2024-02-29T12:00:00.000001Z",
    "string": "text",
    "array": [],
}


def _golden(
    event_type: str, table: Table, columns: Sequence[Mapping[str, Any]], moment: str
) -> list[dict[str, Any]]:
    """An update of a row whose every column is invented: no value of the table gets into a file."""
    row = {one["name"]: _EXAMPLES[one["logicalType"]] for one in columns}
    return [
        {
            "eventId": "5b0f6b5e-8f0c-4a3e-9d6a-6c8f0a1b2c3d",
            "eventType": event_type,
            "timestamp": moment,
            "data": {
                "payload": {
                    "operation": "update",
                    "lsn": 25657152,
                    "index": 0,
                    "transaction": 736,
                    "before": {name: row[name] for name in table.key},
                    "after": row,
                }
            },
        }
    ]


def _broken() -> list[dict[str, Any]]:
    return [
        {
            "name": "without its operation",
            "patch": [{"op": "remove", "path": "/data/payload/operation"}],
            "errors": [{"pointer": "/data/payload/operation", "code": "missing"}],
        },
        {
            "name": "an operation that there is not",
            "patch": [{"op": "replace", "path": "/data/payload/operation", "value": "upsert"}],
            "errors": [{"pointer": "/data/payload/operation", "code": "enum"}],
        },
    ]


def missing(text: str, made: Mapping[str, Any]) -> list[str]:
    """What a contract's file lacks of the one that is made from the table now: a line for each, with its place.

    Args:
        text: of the file.
        made: the document of `contract`.
    """
    known = _places(yaml.load(text, OnceLoader))  # noqa: S506  it is a SafeLoader
    return [
        f"{place}: {first_contract_text.flow(one)}"
        for place, one in _places(made).items()
        if place not in known and place.rpartition("/")[0] in {"/data/payload", *known}
    ]


def _places(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    left = [("/data", one) for one in document["schema"][0]["properties"]]
    while left:
        above, one = left.pop(0)
        place = f"{above}/{one['name']}"
        found[place] = one
        left += [(place, inner) for inner in one.get("properties", ())]
    return found
