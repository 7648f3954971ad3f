"""What a patch may reach of a refused event: nobody reads or stores a protected value in clear by moving it. Pure.

Who may not see personal data may copy, move and test only what the contract declares and does not protect; where the
contract is not known, nothing of the data. Nor may they change the type. Whoever it is, no value comes to a place of a weaker class.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from millrace.contracts import pointers
from millrace.contracts.contract import PROTECTED, Contract
from millrace.contracts.envelope import NAMES
from millrace.contracts.errors import FieldError
from millrace.contracts.redaction import Redaction
from millrace.contracts.registry import Registry
from millrace.contracts.type_names import renamed
from millrace.privacy.places import Places

_MOVING = frozenset({"copy", "move"})
_READING = _MOVING | {"test"}
_RANKS = {"confidential": 1, "restricted": 2}
# Codes whose messages never hold a value.
_SILENT = frozenset({"missing", "unknown_field", "malformed", "timestamp_range", "too_large", "conflict"})
_TYPE = ("eventType",)
_MESSAGE = "is not valid; no message shows a value after a patch that moved some"
# More digits than an index of an array has may be what somebody wrote as a name.
_DIGITS = 5
Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """Judges the operations of a patch for one event.

    Attributes:
        registry: the contracts in force.
        operations: of the patch.
        event: as it was refused.
        translated: it is in a form that contracts do not describe, so no place of it is known.
    """

    registry: Registry
    operations: Sequence[Mapping[str, Any]]
    event: Any
    translated: bool = False
    _before: Contract | None = field(init=False)
    _strictest: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        # Both now, because a patch changes the event in place.
        object.__setattr__(self, "_before", self._contract(self.event))
        object.__setattr__(self, "_strictest", self._classes())

    def forbidden(self) -> str | None:
        """Why one who may not see personal data may not apply it; asked before it is applied, which tells already."""
        if self._is_replaced():
            return None
        for number, operation in enumerate(self.operations, 1):
            if not self._may(operation):
                return f"operation {number} of the patch ({operation['op']}) takes personal:read"
        return None

    def weakened(self, repaired: Any) -> str | None:
        """Why the repaired event must not be stored: a protected value would stand in it in clear, or weaker protected."""
        after = self._contract(repaired)
        if after is None:
            return None
        kept = _protected(after)
        before = {} if self._is_replaced() else self._strictest
        sources = [*before.items(), *kept.items()]
        for number, operation in enumerate(self.operations, 1):
            if operation["op"] not in _MOVING:
                continue
            start, end = (pointers.parse_once(operation[name]) for name in ("from", "path"))
            if self.translated:
                weak = bool(sources) and start[:1] in ((), ("data",))
            else:
                weak = any(_is_weaker(start, end, leaf, name, kept) for leaf, name in sources)
            if weak:
                return f"operation {number} of the patch moves a protected value to a weaker class"
        weaker = {
            leaf: name for leaf, name in before.items() if _rank(kept, pointers.parse(leaf)) < _RANKS[name]
        }
        if weaker and Places(weaker).holds(repaired):
            return "by the type or version of the patch a protected value has a weaker class"
        return None

    def discreet(self, errors: list[FieldError], repaired: Any) -> list[FieldError]:
        """The errors of the repaired event without what may have come from a place that is not shown."""
        after = self._contract(repaired)
        if self._is_replaced():
            return errors
        if not any(one["op"] in _MOVING for one in self.operations) and _ref(after) == _ref(self._before):
            return errors
        before, declared = Redaction(self._before), Redaction(after)
        found = []
        for error in errors:
            path = [_part(part) for part in pointers.parse_once(error.pointer)]
            shown = max(before.shown(path), declared.declared(path), key=len)
            message = error.message if error.code in _SILENT else _MESSAGE
            found.append(FieldError(pointers.write(shown), error.code, message))
        return found

    def _contract(self, event: Any) -> Contract | None:
        return self.registry.described(renamed(event, self.registry.type_names))

    def _classes(self) -> Mapping[str, str]:
        """The protected places of the refused event; of a version that is not known, those of all that are."""
        if self._before is not None:
            return _protected(self._before)
        named = self.event.get("eventType") if isinstance(self.event, dict) else None
        majors = self.registry.majors(named).values() if isinstance(named, str) else ()
        found: dict[str, str] = {}
        for pointer, name in (item for major in majors for item in _protected(major).items()):
            found[pointer] = max(name, found.get(pointer, name), key=_RANKS.__getitem__)
        return found

    def _is_replaced(self) -> bool:
        """Whether the first operation puts another event in the place of this one: all that follows is the patch's own."""
        first = self.operations[0]
        return first["path"] == "" and first["op"] in ("add", "replace")

    def _may(self, operation: Mapping[str, Any]) -> bool:
        name, place = operation["op"], pointers.parse_once(operation["path"])
        start = pointers.parse_once(operation["from"]) if name in _MOVING else place
        if name != "test" and _TYPE in (place, start) and not self._protects_nothing():
            return False  # Of another type, all of it might be stored and read in clear.
        if name not in _READING:
            return True
        return self._is_open(place) and self._is_open(start)

    def _protects_nothing(self) -> bool:
        return self._before is not None and not _protected(self._before)

    def _is_open(self, place: Parts) -> bool:
        contract = self._before
        if self._protects_nothing():
            return True
        if not place or self.translated:
            return False
        if place[0] != "data":
            return place[0] in NAMES
        if contract is None or any(_overlap(place, pointers.parse(leaf)) for leaf in _protected(contract)):
            return False
        return any(_begins(place, pointers.parse(leaf)) for leaf in contract.classification)


def _protected(contract: Contract) -> dict[str, str]:
    return {pointer: name for pointer, name in contract.classification.items() if name in PROTECTED}


def _ref(contract: Contract | None) -> str:
    return "" if contract is None else contract.ref


def _is_weaker(start: Parts, end: Parts, leaf: str, name: str, kept: Mapping[str, str]) -> bool:
    parts = pointers.parse(leaf)
    return _overlap(start, parts) and _rank(kept, end + parts[len(start) :]) < _RANKS[name]


def _rank(classes: Mapping[str, str], place: Parts) -> int:
    """How well a place is protected: 0 where it is not."""
    return min(
        (_RANKS[name] for leaf, name in classes.items() if _begins(place, pointers.parse(leaf))), default=0
    )


def _overlap(place: Parts, leaf: Parts) -> bool:
    """Whether one is the other, or above it."""
    return all(part in (named, "*") or named == "*" for part, named in zip(place, leaf, strict=False))


def _begins(place: Parts, leaf: Parts) -> bool:
    return len(place) >= len(leaf) and _overlap(place, leaf)


def _part(part: str) -> str | int:
    return int(part) if part.isascii() and part.isdigit() and len(part) <= _DIGITS else part
