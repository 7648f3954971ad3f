"""What an error may show of an event: it follows from the contract, and where that does not say, nothing is quoted.

| value | an error says |
|---|---|
| of a field that the contract calls `public` or `internal`, and of that field's type | the value |
| of a protected field, and what stands in its place above or below it | nothing |
| all else: the envelope, users' ids, what no contract declares, a value of another type | its kind and length |

Names that a client made up are shown where they look like names of fields: an address or a number in their place is not.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from millrace.contracts import schema as schemas
from millrace.contracts.contract import PROTECTED, Contract
from millrace.contracts.pointers import write
from millrace.contracts.stored_form import user_pointers

_DATA = "/data"
_QUOTED = frozenset({"public", "internal"})
_NUMBERS = frozenset({"integer", "number"})
# A text is quoted where it is one word, as those of a list of values are; names, ids, addresses and numbers are none.
_WORD = re.compile("[A-Za-z]+(?:[_-][A-Za-z]+)*")
# What no field is called: an address, a number, a sentence.
_NO_NAME = re.compile(r"@|[0-9]{5}|[^\x21-\x7e]|^\+|^[0-9]+$")
_NAME_LENGTH = 64
Told = Literal["value", "kind", "nothing"]
"""How much an error says of a value: the value, its kind and length, or nothing."""


def is_name(text: str) -> bool:
    """Whether a name that a client made up looks like one of a field."""
    return len(text) <= _NAME_LENGTH and _NO_NAME.search(text) is None


class Redaction:
    """Decides for a place in an event whether an error may show what was sent there."""

    __slots__ = ("_above", "_declared", "_open", "_protected", "_with_protected")

    def __init__(self, contract: Contract | None) -> None:
        """Without a contract it is not known what is protected, so nothing of the data is shown."""
        protected = (
            {_DATA}
            if contract is None
            else {pointer for pointer, name in contract.classification.items() if name in PROTECTED}
        )
        self._protected = frozenset(protected)
        leaves = () if contract is None else contract.classification
        # Names that the contract declares show nothing of an event.
        self._declared = {place for pointer in leaves for place in (pointer, *_ancestors(pointer))}
        # Types of the fields whose values may be quoted.
        self._open = {} if contract is None else _open(contract)
        # Where an object belongs that holds a protected field, all of it may have been written as one text.
        self._above = frozenset(above for pointer in protected for above in _ancestors(pointer))
        # Objects within payload and metadata that hold one: what is written there as a name may be its value.
        self._with_protected = frozenset(
            parent for pointer in protected if (parent := pointer.rpartition("/")[0]).count("/") > 2
        )

    def told(self, path: Iterable[str | int], value: Any) -> Told:
        """How much an error may say of the value at a path."""
        pointer = _pointer(path)
        is_told = (
            pointer not in self._above
            and pointer not in self._protected
            and self._protected.isdisjoint(_ancestors(pointer))
        )
        if not is_told:
            return "nothing"
        if isinstance(value, str) and _WORD.fullmatch(value) is None:
            return "kind"
        return "value" if _types(value) & self._open.get(pointer, frozenset()) else "kind"

    def shown(self, path: Sequence[str | int]) -> tuple[str | int, ...]:
        """The part of a path that may be shown: up to where a name stands that could be what is protected."""
        for length, part in enumerate(path):
            above = path[:length]
            declared = _pointer(path[: length + 1]) in self._declared
            if not (isinstance(part, int) or declared or (is_name(part) and self.shows_names(above))):
                return tuple(above)
        return tuple(path)

    def named(self, path: Sequence[str | int]) -> tuple[str | int, ...]:
        """The part of a path that the contract or the envelope names, or a client as fields are named."""
        for length, part in enumerate(path):
            if not (isinstance(part, int) or is_name(part) or _pointer(path[: length + 1]) in self._declared):
                return tuple(path[:length])
        return tuple(path)

    def declared(self, path: Sequence[str | int]) -> tuple[str | int, ...]:
        """The part of a path that the contract itself names."""
        for length, part in enumerate(path):
            if not (isinstance(part, int) or _pointer(path[: length + 1]) in self._declared):
                return tuple(path[:length])
        return tuple(path)

    def shows_names(self, path: Iterable[str | int]) -> bool:
        """Whether the names of unknown fields in the object at a path may be shown."""
        if not self._protected:
            return True
        pointer = _pointer(path)
        return (
            pointer not in self._with_protected
            and pointer not in self._protected
            and self._protected.isdisjoint(_ancestors(pointer))
        )


def _open(contract: Contract) -> dict[str, frozenset[str]]:
    named = {contract.subject, contract.user_id_pointer, *user_pointers(contract)}
    fields = schemas.leaves(contract.data_schema, _DATA)
    return {
        pointer: frozenset(schemas.types(field))
        for pointer, field in fields
        if pointer not in named and contract.classification.get(pointer) in _QUOTED
    }


def _types(value: Any) -> frozenset[str]:
    """The JSON types of which a value may be an example that is only out of range."""
    if isinstance(value, bool):
        return frozenset({"boolean"})
    if isinstance(value, (int, float)):
        return _NUMBERS
    return frozenset({"string"}) if isinstance(value, str) else frozenset()


def _pointer(path: Iterable[str | int]) -> str:
    return write("*" if isinstance(part, int) else part for part in path)


def _ancestors(pointer: str) -> Iterable[str]:
    """`/a/b` → `/a` and the root."""
    while pointer:
        pointer = pointer.rpartition("/")[0]
        yield pointer
