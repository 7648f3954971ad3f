"""The messages of pgoutput, protocol version 1 ("Logical Replication Message Formats", PostgreSQL documentation)."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import NamedTuple

from millrace.core.errors import PermanentError

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Unchanged(Enum):
    """Of a column that lies out of line (TOAST) and was not written: the log does not repeat it."""

    UNCHANGED = "unchanged"


UNCHANGED = Unchanged.UNCHANGED
Value = str | bytes | None | Unchanged
Row = tuple[Value, ...]
"""Of each column its text, bytes where the server sent it in binary form, None for NULL, or UNCHANGED."""


class Column(NamedTuple):
    """Of a relation: whether the replica identity has it, its name, the OID of its type and its type's modifier."""

    is_key: bool
    name: str
    oid: int
    modifier: int


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction begins. `lsn` is where its commit lies, in bytes of the log."""

    lsn: int
    committed_at: datetime
    xid: int


@dataclass(frozen=True, slots=True)
class Commit:
    """A transaction ends. What is advanced to `end_lsn` is not sent again."""

    lsn: int
    end_lsn: int
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, sent before its first change and after each change of its form. `identity` is d, n, f or i."""

    oid: int
    namespace: str
    name: str
    identity: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Type:
    """A type that is not built in. Of a domain the name is that of its base type; of what is built in, namespace is empty."""

    oid: int
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Insert:
    """A row was inserted."""

    relation: int
    new: Row


@dataclass(frozen=True, slots=True)
class Update:
    """A row was updated. `old`: the whole row (`is_whole`), the key alone where that has changed, or None."""

    relation: int
    old: Row | None
    is_whole: bool
    new: Row


@dataclass(frozen=True, slots=True)
class Delete:
    """A row was deleted. `old` is the whole row (`is_whole`) or its key alone."""

    relation: int
    old: Row
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Truncate:
    """Tables were emptied."""

    relations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a transaction came from that was itself replicated."""

    lsn: int
    name: str


@dataclass(frozen=True, slots=True)
class LogicalMessage:
    """What `pg_logical_emit_message` wrote."""

    is_transactional: bool
    lsn: int
    prefix: str
    content: bytes


Message = Begin | Commit | Relation | Type | Insert | Update | Delete | Truncate | Origin | LogicalMessage

_INT16, _INT32 = struct.Struct(">H"), struct.Struct(">I")
_BEGIN, _COMMIT = struct.Struct(">QqI"), struct.Struct(">BQQq")
_COLUMN = struct.Struct(">Ii")


def decode(data: bytes) -> Message:
    """The message of one row of `pg_logical_slot_peek_binary_changes`.

    Raises:
        PermanentError: no message of this protocol, or bytes left over.
    """
    try:
        read = _READERS.get(data[:1])
        if read is None:
            raise PermanentError(f"pgoutput: there is no message {data[:1]!r} in protocol 1")
        message, end = read(data, 1)
    except (struct.error, IndexError, ValueError) as error:
        raise PermanentError(f"pgoutput: a message {data[:1]!r} is cut off or broken: {error}") from error
    if end != len(data):
        raise PermanentError(
            f"pgoutput: a message {data[:1]!r} has {len(data) - end} bytes too many or too few"
        )
    return message


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(0, at)
    return data[at:end].decode(), end + 1


def _begin(data: bytes, at: int) -> tuple[Begin, int]:
    lsn, moment, xid = _BEGIN.unpack_from(data, at)
    return Begin(lsn, _moment(moment), xid), at + _BEGIN.size


def _commit(data: bytes, at: int) -> tuple[Commit, int]:
    _, lsn, end_lsn, moment = _COMMIT.unpack_from(data, at)
    return Commit(lsn, end_lsn, _moment(moment)), at + _COMMIT.size


def _relation(data: bytes, at: int) -> tuple[Relation, int]:
    (oid,) = _INT32.unpack_from(data, at)
    namespace, at = _text(data, at + 4)
    name, at = _text(data, at)
    identity = chr(data[at])
    (count,) = _INT16.unpack_from(data, at + 1)
    at += 3
    columns = []
    for _ in range(count):
        is_key = bool(data[at] & 1)
        column, at = _text(data, at + 1)
        type_oid, modifier = _COLUMN.unpack_from(data, at)
        at += _COLUMN.size
        columns.append(Column(is_key, column, type_oid, modifier))
    # The protocol writes pg_catalog as no name.
    return Relation(oid, namespace or "pg_catalog", name, identity, tuple(columns)), at


def _type(data: bytes, at: int) -> tuple[Type, int]:
    (oid,) = _INT32.unpack_from(data, at)
    namespace, at = _text(data, at + 4)
    name, at = _text(data, at)
    return Type(oid, namespace, name), at


def _row(data: bytes, at: int) -> tuple[Row, int]:
    (count,) = _INT16.unpack_from(data, at)
    at += 2
    row: list[Value] = []
    for _ in range(count):
        kind = data[at]
        at += 1
        if kind == 0x6E:  # n
            row.append(None)
        elif kind == 0x75:  # u
            row.append(UNCHANGED)
        elif kind in (0x74, 0x62):  # t, b
            (length,) = _INT32.unpack_from(data, at)
            at += 4
            value = data[at : at + length]
            at += length
            row.append(value.decode() if kind == 0x74 else value)
        else:
            raise ValueError(f"a column of form {kind:#x}")
    return tuple(row), at


def _insert(data: bytes, at: int) -> tuple[Insert, int]:
    (relation,) = _INT32.unpack_from(data, at)
    _expect(data[at + 4], b"N")
    new, at = _row(data, at + 5)
    return Insert(relation, new), at


def _update(data: bytes, at: int) -> tuple[Update, int]:
    (relation,) = _INT32.unpack_from(data, at)
    at += 4
    old, is_whole = None, False
    if data[at] in b"KO":
        is_whole = data[at] == 0x4F
        old, at = _row(data, at + 1)
    _expect(data[at], b"N")
    new, at = _row(data, at + 1)
    return Update(relation, old, is_whole, new), at


def _delete(data: bytes, at: int) -> tuple[Delete, int]:
    (relation,) = _INT32.unpack_from(data, at)
    _expect(data[at + 4], b"KO")
    old, end = _row(data, at + 5)
    return Delete(relation, old, data[at + 4] == 0x4F), end


def _truncate(data: bytes, at: int) -> tuple[Truncate, int]:
    (count,) = _INT32.unpack_from(data, at)
    end = at + 5 + 4 * count
    return Truncate(struct.unpack_from(f">{count}I", data, at + 5)), end


def _origin(data: bytes, at: int) -> tuple[Origin, int]:
    (lsn,) = struct.unpack_from(">Q", data, at)
    name, at = _text(data, at + 8)
    return Origin(lsn, name), at


def _logical_message(data: bytes, at: int) -> tuple[LogicalMessage, int]:
    flags, lsn = struct.unpack_from(">BQ", data, at)
    prefix, at = _text(data, at + 9)
    (length,) = _INT32.unpack_from(data, at)
    at += 4
    return LogicalMessage(bool(flags & 1), lsn, prefix, data[at : at + length]), at + length


def _expect(kind: int, kinds: bytes) -> None:
    if kind not in kinds:
        raise ValueError(f"a row of kind {chr(kind)!r}")


_READERS: dict[bytes, Callable[[bytes, int], tuple[Message, int]]] = {
    b"B": _begin,
    b"C": _commit,
    b"R": _relation,
    b"Y": _type,
    b"I": _insert,
    b"U": _update,
    b"D": _delete,
    b"T": _truncate,
    b"O": _origin,
    b"M": _logical_message,
}
