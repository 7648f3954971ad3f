"""Fields that a contract does not declare, taken out of an event of a contract that says `additionalProperties: drop`. Pure.

What is taken out is what `reject` would refuse: fields of objects whose fields the contract declares. A free object keeps all of its own.
"""

from typing import Any

from millrace.contracts import pointers
from millrace.contracts.contract import Contract
from millrace.contracts.redaction import Redaction

# Pointers that an answer names of one event, and characters of each.
MOST, LONGEST = 10, 200


def without(event: dict[str, Any], contract: Contract) -> tuple[dict[str, Any], list[tuple[str, ...]]]:
    """The event without such fields, and where they stood, `*` for items of lists; the same object where there are none.

    Args:
        event: a valid event.
        contract: its contract.
    """
    dropped: list[tuple[str, ...]] = []
    data = _without(event["data"], contract.data_schema, ("data",), dropped)
    return ({**event, "data": data}, dropped) if dropped else (event, dropped)


def named(dropped: list[tuple[str, ...]], contract: Contract) -> tuple[str, ...]:
    """Pointers for an answer: each once, at most `MOST`, of a long name the object that it stood in."""
    redaction, found = Redaction(contract), dict[str, None]()
    for path in dropped:
        pointer = pointers.write(redaction.shown(path))
        if len(pointer) > LONGEST:
            pointer = pointers.write(path[:-1])
        found[pointer[:LONGEST]] = None
        if len(found) == MOST:
            break
    return tuple(found)


def _without(
    value: Any, schema: dict[str, Any], path: tuple[str, ...], dropped: list[tuple[str, ...]]
) -> Any:
    if isinstance(value, dict) and "properties" in schema:
        parts = schema["properties"]
        kept = {
            name: _without(inner, parts[name], (*path, name), dropped)
            for name, inner in value.items()
            if name in parts
        }
        if len(kept) < len(value):
            dropped += [(*path, name) for name in value if name not in parts]
        return kept
    if isinstance(value, list) and "items" in schema:
        return [_without(item, schema["items"], (*path, "*"), dropped) for item in value]
    return value
