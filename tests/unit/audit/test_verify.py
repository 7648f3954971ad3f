"""What verification finds: every way to change a chain, its end, or an anchor."""

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
    "removed": (lambda c: [*c[:2], *c[3:]], ("removed", 4)),
    "removed, the others moved up": (
        lambda c: [*c[:2], *(forged(one, number=one.number - 1) for one in c[3:])],
        ("unlinked", 3),
    ),
    "the first removed": (lambda c: c[1:], ("removed", 2)),
    "reordered": (lambda c: [*c[:2], c[3], c[2], *c[4:]], ("reordered", 3)),
    "reordered by their numbers": (
        lambda c: [*c[:2], replace(c[3], number=3), replace(c[2], number=4), *c[4:]],
        ("changed", 3),
    ),
    "inserted": (
        lambda c: [*c[:3], forged(c[2], number=4), *(replace(o, number=o.number + 1) for o in c[3:])],
        ("unlinked", 4),
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


def test_a_removed_end_and_a_chain_written_anew_are_found_by_the_anchor() -> None:
    given = chain()
    heads = {"audit/anchors/2026-11-21.json": given[4].head}
    assert broken(given, heads) == []
    assert broken(given[:4], heads) == [("removed", 5)]
    assert broken([], heads) == [("removed", 5)]
    anew = chain()
    assert anew[4].hash == given[4].hash, "the same content has the same hash"
    table = metadata()
    for _ in range(6):
        audit.write(table, ORG, "alerts.mute", "bob", {}, at=AT)
    assert broken(lines(table), heads) == [("changed", 5)]


def test_lines_of_more_than_seven_years_may_be_gone() -> None:
    table = metadata()
    write(table, at=NOW - audit.KEPT - timedelta(days=2))
    write(table, at=NOW - timedelta(days=3))
    old, new = lines(table)
    assert broken([new], {"old anchor": old.head}) == []
    write(table, at=NOW)
    assert broken(lines(table)[2:]) == [("removed", 3)], "the second is no more than three days old"


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
