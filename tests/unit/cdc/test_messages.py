"""Messages of pgoutput, byte by byte as PostgreSQL's documentation describes them."""

import struct
from datetime import UTC, datetime

import pytest

from millrace.cdc.changes import END_OF_TRANSACTION, START, Change, Changes, Committed, Position
from millrace.cdc.messages import (
    UNCHANGED,
    Begin,
    Column,
    Commit,
    Delete,
    Insert,
    LogicalMessage,
    Origin,
    Relation,
    Truncate,
    Type,
    Update,
    decode,
)
from millrace.core.errors import PermanentError

MOMENT = datetime(2000, 1, 1, 0, 0, 1, 5, UTC)
BEGIN = b"B" + struct.pack(">QqI", 500, 1_000_005, 77)
COMMIT = b"C" + struct.pack(">BQQq", 0, 500, 540, 1_000_005)
RELATION = (
    b"R" + struct.pack(">I", 9) + b"public\0a\0d" + struct.pack(">H", 3)
    + b"\x01id\0" + struct.pack(">Ii", 23, -1)
    + b"\x00note\0" + struct.pack(">Ii", 25, -1)
    + b"\x00price\0" + struct.pack(">Ii", 1700, 655366)
)  # fmt: skip


def row(*values: str | bytes | None) -> bytes:
    parts = [struct.pack(">H", len(values))]
    for value in values:
        if value is None:
            parts.append(b"n")
        elif isinstance(value, bytes):
            parts.append(value)
        else:
            parts.append(b"t" + struct.pack(">I", len(value.encode())) + value.encode())
    return b"".join(parts)


TABLE = struct.pack(">I", 9)
INSERT = b"I" + TABLE + b"N" + row("1", "ä", None)
MOVE = b"U" + TABLE + b"K" + row("1", None, None) + b"N" + row("2", b"u", "1.10")
WHOLE = b"U" + TABLE + b"O" + row("2", "long", "1.10") + b"N" + row("2", b"u", "NaN")
DELETE = b"D" + TABLE + b"K" + row("2", None, None)
TRUNCATE = b"T" + struct.pack(">IBII", 2, 1, 9, 10)
OTHER = b"R" + struct.pack(">I", 10) + b"\0pg\0f" + struct.pack(">H", 0)

MESSAGES = {
    BEGIN: Begin(500, MOMENT, 77),
    COMMIT: Commit(500, 540, MOMENT),
    RELATION: Relation(
        9,
        "public",
        "a",
        "d",
        (Column(True, "id", 23, -1), Column(False, "note", 25, -1), Column(False, "price", 1700, 655366)),
    ),
    OTHER: Relation(10, "pg_catalog", "pg", "f", ()),
    b"Y" + struct.pack(">I", 70_000) + b"\0numeric\0": Type(70_000, "", "numeric"),
    INSERT: Insert(9, ("1", "ä", None)),
    MOVE: Update(9, ("1", None, None), False, ("2", UNCHANGED, "1.10")),
    WHOLE: Update(9, ("2", "long", "1.10"), True, ("2", UNCHANGED, "NaN")),
    DELETE: Delete(9, ("2", None, None), False),
    TRUNCATE: Truncate((9, 10)),
    b"O" + struct.pack(">Q", 3) + b"away\0": Origin(3, "away"),
    b"M" + struct.pack(">BQ", 1, 8) + b"app\0" + struct.pack(">I", 2) + b"hi": LogicalMessage(
        True, 8, "app", b"hi"
    ),
}


@pytest.mark.parametrize("data", MESSAGES)
def test_a_message_is_read_to_its_last_byte(data: bytes) -> None:
    assert decode(data) == MESSAGES[data]
    for wrong in (data[:-1], data + b"\0", data[:1]):
        with pytest.raises(PermanentError, match="pgoutput"):
            decode(wrong)


@pytest.mark.parametrize("data", [b"", b"S123", b"I" + TABLE + b"X" + row("1"), b"I" + TABLE + b"N\x00\x01z"])
def test_what_is_no_message_is_an_error(data: bytes) -> None:
    with pytest.raises(PermanentError, match="pgoutput"):
        decode(data)


WORK = [BEGIN, RELATION, OTHER, INSERT, MOVE, WHOLE, DELETE, TRUNCATE, COMMIT]


def test_a_transaction_is_its_changes_in_order_and_its_end() -> None:
    found = list(Changes(START).read(WORK))
    changes = [one for one in found if isinstance(one, Change)]
    assert [(one.operation, one.position) for one in changes] == [
        (operation, Position(500, number))
        for number, operation in enumerate(["insert", "update", "update", "delete", "truncate", "truncate"])
    ]
    assert found[-1] == Committed(Position(500, END_OF_TRANSACTION), 540, MOMENT)
    insert, move, whole, delete, *truncated = changes
    assert insert.after == {"id": 1, "note": "ä", "price": None}
    assert (move.before, move.after, move.unchanged) == ({"id": 1}, {"id": 2, "price": "1.10"}, ("note",))
    # The whole row before says what lies out of line.
    assert (whole.after, whole.unchanged) == ({"id": 2, "note": "long", "price": None}, ())
    assert whole.special == {"after": {"price": "NaN"}}
    assert (delete.before, delete.after) == ({"id": 2}, None)
    assert [one.table for one in truncated] == [("public", "a"), ("pg_catalog", "pg")]


@pytest.mark.parametrize("taken", range(-1, 6))
def test_what_was_taken_is_skipped_and_the_rest_keeps_its_place(taken: int) -> None:
    whole = [one for one in Changes(START).read(WORK) if isinstance(one, Change)]
    rest = list(Changes(Position(500, taken)).read(WORK))
    assert rest[:-1] == whole[taken + 1 :]
    assert isinstance(rest[-1], Committed)


def test_a_change_of_a_table_that_was_not_told_is_an_error() -> None:
    with pytest.raises(PermanentError, match="relation 9"):
        list(Changes(START).read([BEGIN, INSERT]))
