"""From the messages of a slot to changes, each with its place in the log. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from millrace.cdc.messages import (
    UNCHANGED,
    Begin,
    Commit,
    Delete,
    Insert,
    Relation,
    Row,
    Truncate,
    Type,
    Update,
    decode,
)
from millrace.cdc.values import Reader, Special, reader
from millrace.core.errors import PermanentError

# First bytes of changes of one row, and of all messages but origins and messages of applications.
_ROWS = frozenset(b"IUD")
_TOLD = frozenset(b"BCRYIUDT")


class Position(NamedTuple):
    """Of a change: where its transaction's commit lies in the log, in bytes, and its number in the transaction, from 0."""

    lsn: int
    number: int


START = Position(0, -1)
# Behind every change of a transaction.
END_OF_TRANSACTION = 2**62


@dataclass(frozen=True, slots=True)
class Change:
    """A row that was inserted, updated, deleted, or read by the snapshot; or a table that was emptied.

    Attributes:
        position: its place; of two states of a row the one with the higher place holds.
        table: schema and name.
        operation: `insert`, `update`, `delete`, `truncate` or `snapshot`.
        transaction: its id, of 32 bits; 0 for a row that the snapshot read.
        committed_at: when it was committed, or when the snapshot began.
        before: the row before, or its key alone; None where the server does not say.
        after: the row after; None where there is none.
        unchanged: columns of `after` that are missing because they lie out of line and were not written.
        special: by `before` and `after`, columns whose value the JSON of their type cannot hold, as the server writes it.
    """

    position: Position
    table: tuple[str, str]
    operation: str
    transaction: int
    committed_at: datetime
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    unchanged: tuple[str, ...] = ()
    special: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Committed:
    """The end of a transaction: everything of it has been told, and the slot may be advanced to `end_lsn`."""

    position: Position
    end_lsn: int
    committed_at: datetime


class _Table(NamedTuple):
    name: tuple[str, str]
    columns: tuple[tuple[str, Reader], ...]
    keys: tuple[bool, ...]


class Changes:
    """Reads the messages of one peek. A peek begins with its relations, so a second one needs a second reader."""

    def __init__(self, after: Position) -> None:
        """Args: after: changes up to this place have been taken, and are skipped."""
        self._after = after
        self._types: dict[int, str] = {}
        self._tables: dict[int, _Table] = {}
        self._begin: Begin | None = None
        self._number = 0

    def read(self, messages: Iterable[bytes]) -> Iterator[Change | Committed]:
        """The changes behind the place, in the order of commits, and the end of every transaction.

        Raises:
            PermanentError: a message is broken, or its relation was not told.
        """
        for data in messages:
            kind = data[0] if data else 0
            if kind in _ROWS and self._skips():
                self._number += 1
                continue
            message = decode(data)
            if kind in _TOLD:
                yield from self._message(message)

    def _skips(self) -> bool:
        begin = self._begin
        return begin is not None and (begin.lsn, self._number) <= self._after

    def _message(self, message: Any) -> Iterator[Change | Committed]:
        if isinstance(message, Begin):
            self._begin, self._number = message, 0
        elif isinstance(message, Relation):
            self._tables[message.oid] = _Table(
                (message.namespace, message.name),
                tuple((column.name, reader(column.oid, self._types)) for column in message.columns),
                tuple(column.is_key for column in message.columns),
            )
        elif isinstance(message, Type):
            if not message.namespace:
                self._types[message.oid] = message.name
        elif isinstance(message, Commit):
            yield Committed(Position(message.lsn, END_OF_TRANSACTION), message.end_lsn, message.committed_at)
            self._begin = None
        elif isinstance(message, Truncate):
            for relation in message.relations:
                if not self._skips():
                    yield self._change(relation, "truncate")
                self._number += 1
        else:
            yield self._of_row(message)
            self._number += 1

    def _of_row(self, message: Insert | Update | Delete) -> Change:
        if isinstance(message, Insert):
            return self._change(message.relation, "insert", new=message.new)
        if isinstance(message, Delete):
            return self._change(message.relation, "delete", old=message.old, is_whole=message.is_whole)
        new = message.new
        if message.is_whole and message.old is not None and UNCHANGED in new:
            new = tuple(
                before if after is UNCHANGED else after
                for before, after in zip(message.old, new, strict=True)
            )
        return self._change(message.relation, "update", old=message.old, is_whole=message.is_whole, new=new)

    def _change(
        self,
        relation: int,
        operation: str,
        *,
        old: Row | None = None,
        is_whole: bool = False,
        new: Row | None = None,
    ) -> Change:
        table, begin = self._tables.get(relation), self._begin
        if table is None or begin is None:
            raise PermanentError(f"pgoutput: a change of relation {relation} before its form was told")
        special: dict[str, dict[str, str]] = {}
        before = after = None
        unchanged: tuple[str, ...] = ()
        if old is not None:
            # Of a key alone the other columns are sent as NULL, which they may not be.
            kept = [is_whole or is_key for is_key in table.keys]
            before, _ = _values(table.columns, old, kept, "before", special)
        if new is not None:
            after, unchanged = _values(table.columns, new, None, "after", special)
        return Change(
            Position(begin.lsn, self._number),
            table.name,
            operation,
            begin.xid,
            begin.committed_at,
            before,
            after,
            unchanged,
            special,
        )


def _values(
    columns: tuple[tuple[str, Reader], ...],
    row: Row,
    kept: list[bool] | None,
    image: str,
    special: dict[str, dict[str, str]],
) -> tuple[dict[str, Any], tuple[str, ...]]:
    values: dict[str, Any] = {}
    unchanged = []
    for number, ((name, read), text) in enumerate(zip(columns, row, strict=True)):
        if kept is not None and not kept[number]:
            continue
        if text is None:
            values[name] = None
        elif text is UNCHANGED:
            unchanged.append(name)
        else:
            if not isinstance(text, str):
                raise PermanentError(f"pgoutput: the column {name} is not sent as text")
            value = read(text)
            if isinstance(value, Special):
                special.setdefault(image, {})[name] = value.text
                values[name] = None
            else:
                values[name] = value
    return values, tuple(unchanged)


def of_texts(
    columns: tuple[tuple[str, Reader], ...], row: Row
) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """A row that a query read as texts: its values, and what is special of them, as `Change` has them."""
    special: dict[str, dict[str, str]] = {}
    values, _ = _values(columns, row, None, "after", special)
    return values, special
