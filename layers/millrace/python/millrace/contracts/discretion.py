"""What an error may tell of an event: nothing of a protected field, nor of what stands in its place above or below it."""

from collections.abc import Iterable

from millrace.contracts.contract import PROTECTED, Contract
from millrace.contracts.pointers import write

_DATA = "/data"


class Discretion:
    """Says of a place in an event whether an error may show what was sent there."""

    __slots__ = ("_above", "_protected", "_with_protected")

    def __init__(self, contract: Contract | None) -> None:
        """Without a contract nobody knows what is protected, so nothing of the data is shown."""
        protected = (
            {_DATA}
            if contract is None
            else {pointer for pointer, name in contract.classification.items() if name in PROTECTED}
        )
        self._protected = frozenset(protected)
        # Where an object belongs that holds a protected field, all of it may have been written as one text.
        self._above = frozenset(above for pointer in protected for above in _ancestors(pointer))
        # Objects within payload and metadata that hold one: what is written there as a name may be its value.
        self._with_protected = frozenset(
            parent for pointer in protected if (parent := pointer.rpartition("/")[0]).count("/") > 2
        )

    def shows_value(self, path: Iterable[str | int]) -> bool:
        """Whether the value at a path may be told."""
        if not self._protected:
            return True
        pointer = _pointer(path)
        return (
            pointer not in self._above
            and pointer not in self._protected
            and self._protected.isdisjoint(_ancestors(pointer))
        )

    def shows_names(self, path: Iterable[str | int]) -> bool:
        """Whether the names of unknown fields in the object at a path may be told."""
        if not self._protected:
            return True
        pointer = _pointer(path)
        return (
            pointer not in self._with_protected
            and pointer not in self._protected
            and self._protected.isdisjoint(_ancestors(pointer))
        )


def _pointer(path: Iterable[str | int]) -> str:
    return write("*" if isinstance(part, int) else part for part in path)


def _ancestors(pointer: str) -> Iterable[str]:
    """`/a/b` → `/a` and the root."""
    while pointer:
        pointer = pointer.rpartition("/")[0]
        yield pointer
