"""What an error may show of an event: nothing of a protected field, nor of what stands in its place above or below it."""

from collections.abc import Iterable, Sequence

from millrace.contracts.contract import PROTECTED, Contract
from millrace.contracts.pointers import write

_DATA = "/data"


class Redaction:
    """Decides for a place in an event whether an error may show what was sent there."""

    __slots__ = ("_above", "_declared", "_protected", "_with_protected")

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
        # Where an object belongs that holds a protected field, all of it may have been written as one text.
        self._above = frozenset(above for pointer in protected for above in _ancestors(pointer))
        # Objects within payload and metadata that hold one: what is written there as a name may be its value.
        self._with_protected = frozenset(
            parent for pointer in protected if (parent := pointer.rpartition("/")[0]).count("/") > 2
        )

    def shows_value(self, path: Iterable[str | int]) -> bool:
        """Whether the value at a path may be shown."""
        if not self._protected:
            return True
        pointer = _pointer(path)
        return (
            pointer not in self._above
            and pointer not in self._protected
            and self._protected.isdisjoint(_ancestors(pointer))
        )

    def shown(self, path: Sequence[str | int]) -> tuple[str | int, ...]:
        """The part of a path that may be shown: up to where a name stands that could be what is protected."""
        for length, part in enumerate(path):
            above = path[:length]
            declared = _pointer(path[: length + 1]) in self._declared
            if not (isinstance(part, int) or declared or self.shows_names(above)):
                return tuple(above)
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


def _pointer(path: Iterable[str | int]) -> str:
    return write("*" if isinstance(part, int) else part for part in path)


def _ancestors(pointer: str) -> Iterable[str]:
    """`/a/b` → `/a` and the root."""
    while pointer:
        pointer = pointer.rpartition("/")[0]
        yield pointer
