"""A contract's silver table: its columns, in order.

The table is `silver.<event_type with _>_v<major>`. It has the envelope's columns, then the payload's fields in snake
case, then metadata as `meta_*`, then what the contract derives. Fields that a contract does not declare stay in raw.
"""

from collections.abc import Iterator
from typing import Any

from millrace.contracts import derived
from millrace.contracts.column_types import (
    NUMBERS,
    WIDE_INTEGER,
    WIDE_MONEY,
    Array,
    Column,
    Scalar,
    Struct,
    Type,
    duckdb_type,
    glue_columns,
    glue_type,
    snake,
    type_of,
)
from millrace.contracts.contract import CLASSES, Contract
from millrace.contracts.stored_form import stored, subject_pointers, user_pointers

__all__ = [
    "ENVELOPE",
    "NUMBERS",
    "WIDE_INTEGER",
    "WIDE_MONEY",
    "Array",
    "Column",
    "Scalar",
    "Struct",
    "Type",
    "columns",
    "duckdb_type",
    "glue_columns",
    "glue_type",
    "owners",
    "snake",
    "table",
    "type_of",
    "users",
]

_STRING, _MOMENT = Scalar("string"), Scalar("timestamptz")
ENVELOPE = (
    Column("event_id", "/eventId", _STRING, True, "The event's id, unique in the tenant.", unique=True),
    Column("event_time", "/timestamp", _MOMENT, True, "When it happened."),
    Column("event_source", "/eventSource", _STRING, True, "Who said it."),
    Column("correlation_id", "/correlationId", _STRING, False, "Joins events of one flow."),
    Column("user_key", "/userId", _STRING, False, "The user it is about."),
    Column("session_id", "/sessionId", _STRING, False, "The session it happened in."),
    Column("org_id", None, _STRING, True, "The tenant."),
    Column("received_at", None, _MOMENT, True, "When intake had it."),
    Column("contract", None, _STRING, True, "The contract it kept, such as order.created/1.2.0."),
)
# Of events that the platform derives: no client can set it, because `platform` is intake's own.
DERIVED_FROM = Column(
    "derived_from", None, _STRING, False, "The id of the event that it was derived from, if it was from one."
)


def table(contract: Contract) -> str:
    """`order_created_v1`."""
    return f"{contract.event_type.replace('.', '_')}_v{contract.major}"


def columns(contract: Contract) -> tuple[Column, ...]:
    """All columns of the contract's silver table, in order: of what is stored, where protected fields are any text."""
    parts = stored(contract).data_schema["properties"]
    classes = _strictest(contract.classification)
    payload = _flatten(parts["payload"], "/data/payload", "", classes, required=True)
    metadata = _flatten(parts.get("metadata", {}), "/data/metadata", "meta_", classes, required=False)
    declared = (*ENVELOPE, *payload, *metadata)
    made = derived.columns(contract.silver, declared)
    # Last, so that the tables of contracts that had no such column only grow by one.
    return (*declared, *made, *((DERIVED_FROM,) if contract.derived else ()))


def users(contract: Contract) -> frozenset[str]:
    """The columns that hold users: numbers of people in what is stored."""
    return _at(contract, user_pointers(contract))


def owners(contract: Contract) -> frozenset[str]:
    """Those of them that say whose a row is, and not only whom it mentions."""
    return _at(contract, subject_pointers(contract))


def _at(contract: Contract, pointers: frozenset[str]) -> frozenset[str]:
    return frozenset(
        one.name for one in columns(contract) if one.pointer == "/userId" or one.pointer in pointers
    )


def _strictest(classes: dict[str, str]) -> dict[str, str]:
    """The strictest class of each field and all that is in it."""
    by_pointer: dict[str, str] = {}
    for pointer, name in classes.items():
        while pointer:
            if CLASSES.index(name) > CLASSES.index(by_pointer.get(pointer, CLASSES[0])):
                by_pointer[pointer] = name
            by_pointer.setdefault(pointer, name)
            pointer = pointer.rpartition("/")[0]  # noqa: PLW2901  from the field up to the root
    return by_pointer


def _flatten(
    schema: dict[str, Any], pointer: str, prefix: str, classes: dict[str, str], *, required: bool
) -> Iterator[Column]:
    for name, part in schema.get("properties", {}).items():
        here, column = f"{pointer}/{name}", f"{prefix}{snake(name)}"
        needed = required and name in schema.get("required", ())
        if part.get("properties"):
            yield from _flatten(part, here, f"{column}_", classes, required=needed)
        else:
            description, strict = part.get("description", ""), classes.get(here, "internal")
            yield Column(column, here, type_of(part), needed, description, part, strict)
