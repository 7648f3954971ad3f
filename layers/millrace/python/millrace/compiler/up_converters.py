"""How rows of an older major become rows of a newer one: how a contract's file says it, and what must hold. Build only.

    {from: 1, fields: {/data/payload/total: {of: /data/payload/amount}}}

Each field of the newer major is named with what it is made of, or it is taken from the same place:

| form | is |
|---|---|
| `{value: EUR}` | this constant |
| `{of: POINTER}` | the older row's field |
| `{of: POINTER, values: {web: ONLINE}}` | the same with these texts replaced |
| `{of: POINTER, otherwise: 0}` | the same, or the constant where the older row has none |

What does not fit the newer contract then is a dead letter of its table.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jsonschema_rs

from millrace.contracts.contract import CLASSES, Contract
from millrace.contracts.schema import json_type, leaves

_FORMS = (
    frozenset({"value"}),
    *(frozenset({"of", *more}) for more in ((), ("values",), ("otherwise",), ("values", "otherwise"))),
)
FORM = "an object such as {from: 1, fields: {/data/payload/total: {of: /data/payload/amount}}}"


def read(value: Any) -> dict[str, Any]:
    """The value of the property `upConverter`.

    Raises:
        ValueError: with a sentence.
    """
    if not isinstance(value, dict) or set(value) != {"from", "fields"}:
        raise ValueError(f"upConverter is {FORM}")
    if type(value["from"]) is not int or not isinstance(value["fields"], dict):
        raise ValueError(f"upConverter is {FORM}")
    for pointer, source in value["fields"].items():
        if not isinstance(pointer, str) or not isinstance(source, dict) or frozenset(source) not in _FORMS:
            raise ValueError(f"{pointer} is made of {{value}} or {{of}}, with values, otherwise or both")
        texts = source.get("values", {})
        if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{pointer}: values is an object from one text to another")
    return value


def references(contracts: Iterable[Contract]) -> Iterator[tuple[str, str]]:
    """Converters that cannot work: name of the contract and sentence."""
    known = {contract.name: contract for contract in contracts}
    for contract in known.values():
        if not contract.up_converter:
            continue
        old = known.get(f"{contract.event_type}.v{contract.up_converter['from']}")
        if old is None:
            yield contract.name, f"upConverter: there is no version {contract.up_converter['from']}"
        elif old.major >= contract.major:
            yield contract.name, f"upConverter: version {old.major} is not older than this one"
        else:
            yield from ((contract.name, f"upConverter: {problem}") for problem in _problems(contract, old))


def removed(before: Contract, after: Contract, names: Iterable[str]) -> str | None:
    """Why a converter may not go; None where none goes, or the older major has gone.

    Args:
        before: a contract, as it is in force.
        after: the same, changed.
        names: of all contracts after the change.
    """
    old = before.up_converter.get("from")
    if after.up_converter.get("from") == old or f"{before.event_type}.v{old}" not in names:
        return None
    return f"its table has the rows of version {old}, and would lose them when a day is built again"


def _problems(contract: Contract, old: Contract) -> Iterator[str]:
    new_fields, old_fields = dict(_fields(contract)), dict(_fields(old))
    made: Mapping[str, Any] = contract.up_converter["fields"]
    for pointer, source in made.items():
        if pointer not in new_fields:
            yield f"this version has no field {pointer} outside of lists"
        elif any(other.startswith(f"{pointer}/") for other in made):
            yield f"{pointer} is made as a whole, so nothing in it is made by itself"
        elif "of" in source and source["of"] not in old_fields:
            yield f"version {old.major} has no field {source['of']} outside of lists"
        else:
            yield from _unfit(pointer, source, new_fields[pointer])
    for pointer, field in new_fields.items():
        whole = next((one for one in made if pointer == one or pointer.startswith(f"{one}/")), None)
        source = made.get(whole or "", {"of": pointer})
        if "of" in source and source["of"] not in old_fields | {pointer: None}:
            continue  # reported above
        if "of" in source:
            beginning = source["of"] + (pointer.removeprefix(whole) if whole else "")
            yield from _taken(pointer, field, beginning, old_fields, contract, old)


def _taken(
    pointer: str,
    field: Mapping[str, Any],
    source: str,
    old_fields: Mapping[str, Mapping[str, Any]],
    contract: Contract,
    old: Contract,
) -> Iterator[str]:
    """What is wrong with a field that is taken from a place in the older row."""
    taken = old_fields.get(source)
    if taken is None:
        if _is_required(contract, pointer) and not field.get("properties"):
            yield f"{pointer} is required, and nothing says what it is in a row of version {old.major}"
    elif _kind(dict(taken)) != _kind(dict(field)):
        yield f"{pointer} is {_kind(dict(field))}, and {source} of version {old.major} is {_kind(dict(taken))}"
    elif _class(contract, pointer) < _class(old, source):
        yield f"{pointer} is {CLASSES[_class(contract, pointer)]}, and {source} of version {old.major} is {CLASSES[_class(old, source)]}"


def _unfit(pointer: str, source: Mapping[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    """Constants that the field does not take."""
    constants = [
        *source.get("values", {}).values(),
        *(source[n] for n in ("value", "otherwise") if n in source),
    ]
    judge = jsonschema_rs.validator_for(schema, pattern_options=jsonschema_rs.RegexOptions())
    for constant in constants:
        if constant is None or not judge.is_valid(constant):
            yield f"{pointer} does not take {constant!r}"


def _fields(contract: Contract) -> Iterator[tuple[str, dict[str, Any]]]:
    return (
        one for one in leaves(contract.data_schema, "/data") if "*" not in one[0] and one[0].count("/") > 2
    )


def _is_required(contract: Contract, pointer: str) -> bool:
    """Whether every event has the field: it is required, and so is what it is in."""
    schema = contract.data_schema
    for name in pointer.split("/")[2:]:
        if name not in schema.get("required", ()):
            return False
        schema = schema["properties"][name]
    return True


def _kind(schema: dict[str, Any]) -> str:
    name = json_type(schema)
    return {"array": "a list", "object": "an object"}.get(name, "a single value")


def _class(contract: Contract, pointer: str) -> int:
    """The strictest class of a field and all that is in it."""
    held = [
        CLASSES.index(name)
        for one, name in contract.classification.items()
        if one == pointer or one.startswith(f"{pointer}/")
    ]
    return max(held, default=CLASSES.index("internal"))
