"""Sort keys of both widths in one index: the order of the events, both bounds, every cursor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core import keys
from millrace.core.clock import utc_micros
from millrace.eventstore import order

START = datetime(2026, 11, 21, 5, 54, 16, 999_000, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    """An event by its moment in microseconds behind `START`, and the width of its key."""

    after: int
    id: str
    before: bool

    @property
    def place(self) -> str:
        return keys.sort(START + timedelta(microseconds=self.after), self.id)

    @property
    def sort_key(self) -> str:
        return keys.of_milliseconds(self.place) if self.before else self.place


IDS = [str(UUID(int=number)) for number in range(8)]
# Three milliseconds, across the end of a second, with many events on the same moment.
MOMENTS = st.sampled_from([0, 1, 999, 1000, 1001, 1500, 1999, 2000, 2001])
ROWS = st.lists(st.builds(Row, MOMENTS, st.sampled_from(IDS), st.booleans()), max_size=12).map(
    # An id is one event; a pointer may stand there twice, once in each width.
    lambda found: [row for row in found if row.after == next(one.after for one in found if one.id == row.id)]
)


class Index:
    """Answers as the table does: text between two bounds, descending, both inclusive."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self.resolved = 0

    def between(self, low: str, high: str) -> list[str]:
        found = {row.sort_key for row in self._rows}
        return sorted((key for key in found if low <= key <= high), reverse=True)

    def resolve(self, ids: Sequence[str]) -> Mapping[str, str]:
        self.resolved += 1
        return {row.id: row.place for row in self._rows if row.id in ids}

    def listed(self, low: str, high: str) -> list[str]:
        before = self.between(*order.of_milliseconds_at(high)) if high != order.HIGHEST else []
        found = order.newest_first([*before, *self.between(low, high)], low, high, self.resolve)
        places = {row.sort_key: row.place for row in self._rows} | {
            row.place: row.place for row in self._rows
        }
        return [places[key] for key in found]


@given(ROWS, st.none() | MOMENTS, st.none() | MOMENTS)
def test_keys_of_both_widths_stand_in_the_order_of_their_events(
    rows: list[Row], since: int | None, until: int | None
) -> None:
    low = order.LOWEST if since is None else utc_micros(START + timedelta(microseconds=since))
    high = order.HIGHEST if until is None else utc_micros(START + timedelta(microseconds=until))
    wanted = sorted({row.place for row in rows if low <= row.place < high}, reverse=True)
    if low < high:
        assert Index(rows).listed(low, high) == wanted


@given(ROWS, st.integers(1, 4))
def test_pages_neither_skip_nor_repeat(rows: list[Row], size: int) -> None:
    index, seen, high = Index(rows), list[str](), order.HIGHEST
    while page := index.listed(order.LOWEST, high)[:size]:
        seen += page
        high = page[-1]
    assert seen == sorted({row.place for row in rows}, reverse=True)


def test_rows_of_today_are_never_asked_for_their_moment() -> None:
    index = Index([Row(after, f"{after}", before=False) for after in range(0, 3000, 7)])
    assert len(index.listed(order.LOWEST, keys.sort(START + timedelta(milliseconds=2), "x"))) == 286
    assert index.resolved == 0


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ("2026-11-21T05:54:16.123456Z#0f9f6f0e-6c6c-4a52-9a5e-3d8c3f3f5b11", True),
        ("2026-11-21T05:54:16.123Z#0f9f6f0e-6c6c-4a52-9a5e-3d8c3f3f5b11", False),
        ("2026-11-21T05:54:16.123456Z#", False),
        ("2026-11-21T05:54:16.123456Z#" + "😀" * 300, False),
        ("２026-11-21T05:54:16.123456Z#a", False),
        ("", False),
    ],
)
def test_what_a_cursor_may_stand_for(text: str, sound: bool) -> None:
    assert order.is_position(text) is sound
