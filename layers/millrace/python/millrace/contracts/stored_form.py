"""The stored form of a contract: what is true of its events once they are stored, where protected values have left them.

A token or the text `sealed` has no length, format, pattern or list of values of the contract, and neither has the number of a
person in place of a user's id. So silver, its checks and derived columns are compiled from this form, in which a protected field is
any text, and a user's id any text or any integer. Rows from before, in clear, are of it as well.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from millrace.contracts import pointers
from millrace.contracts.contract import PROTECTED, Contract
from millrace.contracts.schema import types

_KEPT = ("description", "title")
# Numbers of people have so many bits, the first of them set: every reader of JSON holds them exactly.
NUMBER_BITS = 53


def stored(contract: Contract) -> Contract:
    """The contract as it describes stored events; the same one where nothing is protected and nobody is named."""
    protected = {pointer for pointer, name in contract.classification.items() if name in PROTECTED}
    named = {one for one in user_pointers(contract) if one.startswith("/data/")}
    schema = contract.data_schema
    for pointer in sorted(protected):
        schema = _freed(schema, pointers.parse(pointer)[1:], _any_text)
    for pointer in sorted(named):
        schema = _freed(schema, pointers.parse(pointer)[1:], _any_user)
    return replace(contract, data_schema=schema) if schema is not contract.data_schema else contract


def subject_pointers(contract: Contract) -> frozenset[str]:
    """Where, beside the envelope's `userId`, the number of the person stands whose event it is: not in protected fields."""
    return _unprotected(contract, (contract.subject, contract.user_id_pointer))


def user_pointers(contract: Contract) -> frozenset[str]:
    """Where, beside the envelope's `userId`, numbers of people stand in place of users' ids, of those whom an event mentions as well."""
    return subject_pointers(contract) | _unprotected(contract, (one["pointer"] for one in contract.users))


def _unprotected(contract: Contract, named: Iterable[str | None]) -> frozenset[str]:
    return frozenset(
        one for one in named if one is not None and contract.classification.get(one) not in PROTECTED
    )


def _any_text(schema: dict[str, Any]) -> dict[str, Any]:
    text = ["string", "null"] if "null" in schema.get("type", ()) else "string"
    return {"type": text, **{name: schema[name] for name in _KEPT if name in schema}}


def _any_user(schema: dict[str, Any]) -> dict[str, Any]:
    if "integer" not in types(schema):
        return _any_text(schema)
    least, most = schema.get("minimum", 0), schema.get("maximum", 0)
    return {**schema, "minimum": min(least, 0), "maximum": max(most, 2**NUMBER_BITS - 1)}


def _freed(
    schema: dict[str, Any], parts: tuple[str, ...], free: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    """The schema with what `free` makes of this place."""
    if not parts:
        return free(schema)
    name, *rest = parts
    if name == "*":
        return (
            {**schema, "items": _freed(schema["items"], tuple(rest), free)} if "items" in schema else schema
        )
    fields = schema.get("properties", {})
    if name not in fields:
        return schema
    return {**schema, "properties": {**fields, name: _freed(fields[name], tuple(rest), free)}}
