"""What follows from measures: at a steady rate, and null where there is none."""

from decimal import Decimal
from typing import Any

import pytest

from millrace.aggregates.definition import Derived
from millrace.aggregates.derived import with_derived

PACING = (
    Derived("pace", "ratio", {"of": "spent", "by": "plan"}),
    Derived("total", "projection", {"of": "spent", "since": "start", "at": "at", "until": "end"}),
    Derived("over", "difference", {"of": "total", "by": "budget"}),
    Derived("used", "reached", {"of": "spent", "by": "budget", "since": "start", "at": "at"}),
)
HALFWAY: dict[str, Any] = {
    "spent": Decimal(600),
    "plan": Decimal(500),
    "budget": Decimal(1000),
    "start": "2026-11-01T00:00:00.000000Z",
    "at": "2026-11-11T00:00:00.000000Z",
    "end": "2026-11-21T00:00:00.000000Z",
}


def pacing(**changes: Any) -> tuple[Any, ...]:
    found = with_derived(PACING, {**HALFWAY, **changes})
    return tuple(found[one.name] for one in PACING)


def test_what_is_spent_too_fast_is_over_and_used_before_the_end() -> None:
    assert pacing() == (Decimal("1.2"), Decimal(1200), Decimal(200), "2026-11-17T16:00:00.000000Z")


def test_what_is_spent_too_slowly_is_under_and_lasts_longer() -> None:
    assert pacing(spent=Decimal(250)) == (
        Decimal("0.5"),
        Decimal(500),
        Decimal(-500),
        "2026-12-11T00:00:00.000000Z",
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"plan": None}, (None, Decimal(1200), Decimal(200), "2026-11-17T16:00:00.000000Z")),
        ({"plan": Decimal(0)}, (None, Decimal(1200), Decimal(200), "2026-11-17T16:00:00.000000Z")),
        ({"spent": Decimal(0)}, (Decimal(0), Decimal(0), Decimal(-1000), None)),
        ({"spent": None}, (None, None, None, None)),
        ({"budget": None}, (Decimal("1.2"), Decimal(1200), None, None)),
        ({"start": None}, (Decimal("1.2"), None, None, None)),
        ({"end": None}, (Decimal("1.2"), None, None, "2026-11-17T16:00:00.000000Z")),
        # Before the flight has begun there is no rate, and behind its end nothing is added.
        ({"start": "2026-11-11T00:00:00.000000Z"}, (Decimal("1.2"), None, None, None)),
        ({"end": "2026-11-10T00:00:00.000000Z"}, (Decimal("1.2"), Decimal(600), Decimal(-400), "2026-11-17T16:00:00.000000Z")),
        # Used up at once, and never in our time.
        ({"budget": Decimal(0)}, (Decimal("1.2"), Decimal(1200), Decimal(1200), "2026-11-01T00:00:00.000000Z")),
        ({"spent": Decimal("0.0001"), "budget": Decimal(10**12)}, (Decimal(0), Decimal("0.0002"), Decimal("0.0002") - 10**12, None)),
    ],
)  # fmt: skip
def test_null_is_what_has_no_answer(changes: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert pacing(**changes) == expected


def test_numbers_are_rounded_to_four_decimals() -> None:
    third = Derived("third", "ratio", {"of": "a", "by": "b"})
    assert with_derived([third], {"a": 2, "b": 3})["third"] == Decimal("0.6667")
    assert with_derived([third], {"a": Decimal(10**15), "b": Decimal("0.0001")})["third"] is None
