"""Looks for personal data in the fields of an event that its contract does not protect, undeclared ones included. Pure."""

import re
from collections.abc import Iterator
from typing import Any

from millrace.contracts import pointers
from millrace.contracts.contract import PROTECTED, Contract
from millrace.contracts.schema import types
from millrace.privacy import detector

# Fields of the envelope that a client fills as it likes; `userId` is a person by its meaning.
ENVELOPE = ("eventId", "eventSource", "correlationId", "sessionId")
# A name like this is a field's, and no data that was written as a name.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
# In place of such data in a pointer.
ANY = "*"

Path = tuple[str | int, ...]
_SKIPPED: dict[str, Any] = {}
_OPEN: dict[str, Any] = {"fields": {}}


class Search:
    """Searches events of one contract; reusable, safe to share between threads."""

    __slots__ = ("_data",)

    def __init__(self, contract: Contract) -> None:
        left_out = {pointer for pointer, name in contract.classification.items() if name in PROTECTED}
        left_out |= {contract.subject or "", contract.user_id_pointer or "", *contract.personal_data_except}
        left_out |= {one["pointer"] for one in contract.users}
        self._data = _compiled(contract.data_schema, "/data", left_out)

    def found(self, event: dict[str, Any]) -> Iterator[tuple[Path, frozenset[str]]]:
        """Each place that holds personal data, and of which kinds.

        A place holds no value: where a name in the event is itself personal data, it is `*`.

        Args:
            event: a valid event, or its envelope as it is stored.
        """
        for name in ENVELOPE:
            value = event.get(name)
            if value is not None and (kinds := detector.kinds(value)):
                yield (name,), kinds
        data = event["data"]
        for part in ("payload", "metadata"):
            held, plan = data.get(part), self._data["fields"].get(part, _OPEN)
            if held:
                yield from _searched(held, part, plan, ("data", part))


def found_in(value: Any, path: Path = ()) -> Iterator[tuple[Path, frozenset[str]]]:
    """Likewise of a value of any shape, of which no contract says anything; `path` is where it stands."""
    return _searched(value, str(path[-1]) if path else "", _OPEN, path)


def pattern(path: Path) -> str:
    """The pointer of a place in every event of the type: `*` for each item of a list."""
    return pointers.write(ANY if isinstance(part, int) else part for part in path)


def _searched(
    value: Any, name: str, plan: dict[str, Any], path: Path
) -> Iterator[tuple[Path, frozenset[str]]]:
    kind = value.__class__
    if kind is str or kind is int:
        if found := detector.kinds(value, name):
            yield path, found
    elif kind is dict:
        fields = plan.get("fields", _SKIPPED)
        for key, inner in value.items():
            declared = fields.get(key)
            if declared is not None:
                if declared is not _SKIPPED:
                    yield from _searched(inner, key, declared, (*path, key))
                continue
            shown = key
            if _NAME.fullmatch(key) is None:
                shown = ANY
                if found := detector.kinds(key):
                    yield (*path, ANY), found
            yield from _searched(inner, key, _OPEN, (*path, shown))
    elif kind is list:
        items = plan.get("items", _OPEN)
        if items is not _SKIPPED:
            for place, item in enumerate(value):
                yield from _searched(item, name, items, (*path, place))


def _compiled(schema: dict[str, Any], pointer: str, left_out: set[str]) -> dict[str, Any]:
    """What is looked at of a field: `fields` and `items` below it; `_SKIPPED` where nothing is."""
    if pointer in left_out or "enum" in schema or "const" in schema:
        return _SKIPPED
    kinds = types(schema)
    if "object" in kinds:
        properties = schema.get("properties", {})
        return {
            "fields": {
                name: _compiled(part, f"{pointer}/{name}", left_out) for name, part in properties.items()
            }
        }
    if "array" in kinds:
        return {"items": _compiled(schema["items"], f"{pointer}/*", left_out) if "items" in schema else _OPEN}
    if kinds <= {"boolean", "number"} or schema.get("format") in ("date", "date-time", "uuid"):
        return _SKIPPED
    return {"leaf": True}
