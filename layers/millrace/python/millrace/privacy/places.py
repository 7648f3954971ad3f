"""The protected fields of a contract, and what stands in their places in an event. Pure.

    places = of(contract)
    stored = places.rewritten(envelope, lambda pointer, kind, value: "sealed")

An event is never changed: what is rewritten is a copy where something was replaced, and the event itself everywhere else.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from millrace.contracts import pointers
from millrace.contracts.contract import PROTECTED, Contract

Change = Callable[[str, str, Any], Any]
"""What stands in place of a value: from its pointer (indexes of arrays as digits), the class of its field, and the value."""
_ITEMS = "*"


@dataclass(frozen=True, slots=True)
class Places:
    """The protected fields of a contract.

    Attributes:
        classes: pointer, `*` for the items of an array → `confidential` or `restricted`.
    """

    classes: Mapping[str, str]
    _tree: dict[str, Any] = field(init=False, repr=False, compare=False)
    _plain: tuple[tuple[str, ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        tree: dict[str, Any] = {}
        for pointer, name in self.classes.items():
            *above, last = pointers.parse(pointer)
            inner = tree
            for part in above:
                inner = inner.setdefault(part, {})
            inner[last] = name
        object.__setattr__(self, "_tree", tree)
        parsed = map(pointers.parse, self.classes)
        object.__setattr__(self, "_plain", tuple(parts for parts in parsed if _ITEMS not in parts))

    def __bool__(self) -> bool:
        return bool(self.classes)

    def holds(self, event: Any) -> bool:
        """Whether it has a protected value. This runs for every event, so values that are in no array are looked up."""
        if any(pointers.read(event, parts) is not None for parts in self._plain):
            return True
        found = False

        def look(_: str, __: str, value: Any) -> Any:
            nonlocal found
            found = True
            return value

        if len(self._plain) < len(self.classes):
            self.rewritten(event, look)
        return found

    def rewritten(self, event: Any, change: Change) -> Any:
        """The event with each protected value that it has replaced; null is none. The same object where there is none.

        Where an array stands for a protected text, or an object, as rows of an older minor may have it, it is one value.
        """
        return _rewritten(event, self._tree, change, "")


def of(contract: Contract) -> Places:
    """The protected fields of a contract."""
    return Places({pointer: name for pointer, name in contract.classification.items() if name in PROTECTED})


def _rewritten(value: Any, tree: Any, change: Change, pointer: str) -> Any:
    if value is None:
        return None
    if isinstance(tree, str):
        return change(pointer, tree, value)
    if isinstance(value, dict):
        made: Any = value
        for name, inner in tree.items():
            if name in value:
                new = _rewritten(value[name], inner, change, pointer + pointers.write((name,)))
                if new is not value[name]:
                    made = {**value} if made is value else made
                    made[name] = new
        return made
    if isinstance(value, list) and _ITEMS in tree:
        items = [
            _rewritten(one, tree[_ITEMS], change, f"{pointer}/{index}") for index, one in enumerate(value)
        ]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def put_back(event: Any, values: Mapping[str, Any]) -> Any:
    """A copy of the event with values at their pointers; those are left out that lead through what is not there."""
    for pointer, value in values.items():
        event = _put(event, pointers.parse_once(pointer), value)
    return event


def _put(place: Any, parts: tuple[str, ...], value: Any) -> Any:
    if not parts:
        return value
    name, *rest = parts
    if isinstance(place, dict) and name in place:
        return {**place, name: _put(place[name], tuple(rest), value)}
    if isinstance(place, list) and name.isdecimal() and int(name) < len(place):
        index = int(name)
        return [*place[:index], _put(place[index], tuple(rest), value), *place[index + 1 :]]
    return place
