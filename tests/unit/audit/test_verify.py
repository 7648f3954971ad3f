"""What verification finds: every way to change a chain, its end, or an anchor."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from millrace.audit import anchor as anchors
from millrace.audit.anchor import Anchor
from millrace.audit.verify import verify_anchors, verify_chain
from millrace.core import audit, clock
from millrace.core.audit import Head, Line
from tests.unit.audit.test_write import AT, ORG, lines, metadata, write

NOW = AT + timedelta(days=1)


def chain(count: int = 6) -> list[Line]:
    table = metadata()
    for at in range(count):
        write(table, f"line {at}", at=AT + timedelta(minutes=at))
    return lines(table)


def broken(given: list[Line], heads: dict[str, Head] | None = None) -> list[tuple[str, int | None]]:
    return [(one.kind, one.number) for one in verify_chain(ORG, given, heads or {}, NOW).broken]


def forged(line: Line, **changes: object) -> Line:
    """A line with other content and a hash that fits it."""
    other = replace(line, **changes)  # type: ignore[arg-type]
    return replace(other, hash=other.expected)


Edit = Callable[[list[Line]], list[Line]]
EDITS: dict[str, tuple[Edit, tuple[str, int]]] = {
    "changed": (lambda c: [*c[:2], replace(c[2], principal="bob"), *c[3:]], ("changed", 3)),
    "changed with its hash": (lambda c: [*c[:2], forged(c[2], principal="bob"), *c[3:]], ("unlinked", 4)),
    "removed": (lambda c: [*c[:2], *c[3:]], ("removed", 3)),
    "removed, the others moved up": (
        lambda c: [*c[:2], *(forged(one, number=one.number - 1) for one in c[3:])],
        ("unlinked", 3),
    ),
    "the first removed": (lambda c: c[1:], ("removed", 1)),
    "reordered": (lambda c: [*c[:2], c[3], c[2], *c[4:]], ("reordered", 3)),
    "reordered by their numbers": (
        lambda c: [*c[:2], replace(c[3], number=3), replace(c[2], number=4), *c[4:]],
        ("reordered", 3),
    ),
    "inserted": (
        lambda c: [*c[:3], forged(c[2], number=4), *(replace(o, number=o.number + 1) for o in c[3:])],
        ("inserted", 4),
    ),
    "inserted under a number that is there": (lambda c: [*c[:3], c[2], *c[3:]], ("inserted", 3)),
    "moment changed": (lambda c: [*c[:2], replace(c[2], at=c[1].at), *c[3:]], ("changed", 3)),
}


def test_what_was_written_is_whole() -> None:
    given = chain()
    verdict = verify_chain(ORG, given, {"a": given[-1].head, "b": given[2].head}, NOW)
    assert (verdict.to_json()["verified"], verdict.lines) == (True, 6)
    assert verify_chain(ORG, given[2:], {}, NOW, first=3).broken == []
    others = [replace(line, org="org_globex") for line in given]
    assert [one.kind for one in verify_chain("org_globex", others, {}, NOW).broken] == ["changed"] * 6


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_found_where_it_is(edit: str) -> None:
    change, found = EDITS[edit]
    assert found in broken(change(chain()))


ONLY: dict[str, tuple[Edit, list[tuple[str, int]]]] = {
    "changed": (lambda c: [*c[:2], replace(c[2], principal="bob"), *c[3:]], [("changed", 3)]),
    "the first changed": (lambda c: [replace(c[0], detail="{}"), *c[1:]], [("changed", 1)]),
    "a hash changed": (lambda c: [*c[:2], replace(c[2], hash="0" * 64), *c[3:]], [("changed", 3)]),
    "changed with its hash": (lambda c: [*c[:2], forged(c[2], principal="bob"), *c[3:]], [("unlinked", 4)]),
    "removed": (lambda c: [*c[:2], *c[3:]], [("removed", 3)]),
    "two removed": (lambda c: [*c[:2], *c[4:]], [("removed", 3)]),
    "two places removed": (lambda c: [c[0], c[2], *c[4:]], [("removed", 2), ("removed", 4)]),
    "the first removed": (lambda c: c[2:], [("removed", 1)]),
    "neighbours swapped": (lambda c: [*c[:2], c[3], c[2], *c[4:]], [("reordered", 3)]),
    "the first two swapped": (lambda c: [c[1], c[0], *c[2:]], [("reordered", 1)]),
    "the last two swapped": (lambda c: [*c[:4], c[5], c[4]], [("reordered", 5)]),
    "one moved to the end": (lambda c: [*c[:2], *c[3:], c[2]], [("reordered", 3)]),
    "rows of a table swapped": (
        lambda c: [c[0], replace(c[4], number=2), *c[2:4], replace(c[1], number=5), c[5]],
        [("reordered", 2), ("reordered", 5)],
    ),
    "one twice": (lambda c: [*c[:3], c[2], *c[3:]], [("inserted", 3)]),
    "one twice, far away": (lambda c: [*c, c[2]], [("inserted", 3)]),
    "another one under a number that is there": (
        lambda c: [*c[:3], forged(c[2], number=4, principal="bob"), *c[3:]],
        [("inserted", 4)],
    ),
    "another one that fits what is before": (
        lambda c: [*c[:3], forged(c[3], principal="bob"), *c[3:]],
        [("inserted", 4)],
    ),
    "one with a number of nobody": (
        lambda c: [*c[:3], forged(c[2], number=40, principal="bob"), *c[3:]],
        [("inserted", 40)],
    ),
    "a number changed": (lambda c: [*c[:2], replace(c[2], number=30), *c[3:]], [("reordered", 3)]),
}


@pytest.mark.parametrize("edit", ONLY)
def test_an_edit_is_told_as_what_it_is_and_as_nothing_else(edit: str) -> None:
    change, found = ONLY[edit]
    assert broken(change(chain())) == found


def test_a_chain_in_many_pieces_is_told_of_in_bounded_time() -> None:
    given = [
        Line(ORG, number, clock.utc_text(AT), "keys.create", "ann", "{}", "", "", "", "0")
        for number in range(4_000, 0, -1)
    ]
    began = time.monotonic()
    kinds = {kind for kind, _ in broken(given)}
    assert kinds == {"changed", "reordered"}
    assert time.monotonic() - began < 10


def test_how_far_a_chain_is_proven() -> None:
    given = chain()

    def proven(lines: list[Line], heads: dict[str, Head]) -> tuple[int, int, int, str, int]:
        (one,) = verify_chain(ORG, lines, heads, NOW).chains
        return one.first, one.last, one.anchored, one.anchor, one.unproven

    assert proven(given, {}) == (1, 6, 0, "", 6)
    assert proven(given, {"a": given[3].head}) == (1, 6, 4, "a", 2)
    # An anchor of a quiet day keeps the same end: the first one is since when it is proven.
    assert proven(given, {"a": given[1].head, "b": given[5].head, "c": given[5].head}) == (1, 6, 6, "b", 0)
    other = Head(4, "0" * 64, given[3].at)
    assert proven(given, {"a": given[1].head, "b": other}) == (1, 6, 2, "a", 4)
    assert proven(given[2:], {}) == (3, 6, 0, "", 4)
    assert proven([], {"a": given[3].head}) == (0, 0, 0, "", 0)
    (one,) = verify_chain(ORG, given, {}, NOW).chains
    assert (one.first_at, one.last_at) == (given[0].at, given[5].at)


def test_a_removed_end_and_a_chain_written_anew_are_found_by_the_anchor() -> None:
    given = chain()
    heads = {"audit/anchors/2026-11-21.json": given[4].head}
    assert broken(given, heads) == []
    assert broken(given[:4], heads) == [("removed", 5)]
    assert broken([], heads) == [("removed", 1)]
    anew = chain()
    assert anew[4].hash == given[4].hash, "the same content has the same hash"
    table = metadata()
    for _ in range(6):
        audit.write(table, ORG, "alerts.mute", "bob", {}, at=AT)
    assert broken(lines(table), heads) == [("changed", 5)]
    later = {**heads, "audit/anchors/2026-11-22.json": given[5].head}
    assert broken(given[:3], later) == [("removed", 4)], "an end is told once"


def test_lines_of_more_than_seven_years_may_be_gone() -> None:
    table = metadata()
    write(table, at=NOW - audit.KEPT - timedelta(days=2))
    write(table, at=NOW - timedelta(days=3))
    old, new = lines(table)
    assert broken([new], {"old anchor": old.head}) == []
    write(table, at=NOW)
    assert broken(lines(table)[2:]) == [("removed", 1)], "the second is no more than three days old"


def anchored(days: int) -> list[Anchor]:
    made: list[Anchor] = []
    for day in range(days):
        heads = {ORG: Head(day + 1, f"{day}" * 64, clock.utc_text(AT))}
        made.append(anchors.write(heads, made[-1] if made else None, AT + timedelta(days=day))[0])
    return made


def told(given: list[Anchor]) -> dict[str, str]:
    return {one.key: one.digest for one in given}


def found(given: list[Anchor], known: dict[str, str]) -> set[tuple[str, str | None]]:
    return {(one.kind, one.anchor) for one in verify_anchors(given, known).broken}


def test_a_removed_or_changed_anchor_is_found() -> None:
    given = anchored(4)
    known = told(given)
    assert found(given, known) == set()
    for gone in range(4):
        assert ("removed", given[gone].key) in found([*given[:gone], *given[gone + 1 :]], known)
    # Without the platform's chain, all but the last one.
    for gone in range(3):
        assert ("removed", given[gone].key) in found([*given[:gone], *given[gone + 1 :]], {})
    other, _ = anchors.write({}, given[1], AT + timedelta(days=2))
    assert ("changed", other.key) in found([*given[:2], other, given[3]], {})
    assert ("changed", given[3].key) in found([*given[:3], replace(given[3], digest="0" * 64)], known)


def test_an_anchor_is_read_as_it_was_written_and_nothing_else_is() -> None:
    made, body = anchors.write({ORG: Head(3, "a" * 64, clock.utc_text(AT))}, None, AT)
    assert anchors.read(made.key, body) == made
    assert made.key == "audit/anchors/2026-11-21.json"
    for wrong in (b"[]", b"{}", b"x", orjson.dumps({"previous": None, "heads": {"a": [1]}, "at": ""})):
        with pytest.raises(ValueError, match="not an anchor"):
            anchors.read(made.key, wrong)
