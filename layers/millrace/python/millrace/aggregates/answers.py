"""What is asked of an aggregate, and the windows that answer it, a page at a time."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any

from millrace.aggregates import blocks, measures
from millrace.aggregates.definition import DAY_SECONDS, TILE_SECONDS, Aggregate, Derived, Key, Measure
from millrace.aggregates.derived import with_derived
from millrace.aggregates.fold import OTHER, KeyValues
from millrace.aggregates.measures import Kind, State
from millrace.aggregates.reads import Pieces, TenantTiles
from millrace.aggregates.windows import Windows
from millrace.contracts.fields import Value
from millrace.core import clock

# Work of one page: states that are merged, and days whose tiles are read. The next page goes on from there.
MOST_MERGED, MOST_DAYS = 200_000, 31
_POSITION, _WHOLE = re.compile(r"([0-9]{1,12})\+([0-9]{1,9})"), re.compile(r"-?[0-9]{1,19}")
# Measures whose value has no order.
_UNORDERED = frozenset({"top", "distribution", "funnel"})


# One value of a key, in each of the forms that it may have been counted under.
Values = tuple[Value | None, ...]


class QuestionError(ValueError):
    """This cannot be asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Position:
    """Behind which item a page begins: the beginning of its window, and how many items of that came before."""

    start: int
    skip: int

    def __str__(self) -> str:
        return f"{self.start}+{self.skip}"

    @classmethod
    def of(cls, text: str) -> "Position | None":
        """Read back; None for a text that is none."""
        matched = _POSITION.fullmatch(text)
        return cls(int(matched[1]), int(matched[2])) if matched else None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        windows: of which kind.
        start: seconds since 1970: windows begin from here on.
        end: and before this.
        by: values that keys are to have, by their place: any one of several, and what has another one is added to the first.
        order: the measure by which the keys of a window are ordered, and whether the greatest comes first; None: by key.
        top: keys of a window at most; None: all.
    """

    windows: Windows
    start: int
    end: int
    by: Mapping[int, Values]
    order: tuple[str, bool] | None = None
    top: int | None = None


@dataclass(slots=True)
class Page:
    """Windows of the keys that had events in them; `position` is where the next page begins, None behind the last."""

    items: list[dict[str, Any]]
    position: Position | None
    has_other: bool


def key_filter(
    aggregate: Aggregate,
    given: Mapping[str, str],
    forms: Callable[[str], Sequence[str]] = lambda user: (user,),
) -> dict[int, Values]:
    """The values of keys that are asked for, by their place; an empty text asks for events without a value.

    Args:
        aggregate: whose keys.
        given: value by name of a key.
        forms: gives what a user may have been counted under, most recent first.

    Raises:
        QuestionError: the aggregate has no such key, or its values are of another type.
    """
    names = [key.name for key in aggregate.keys]
    found: dict[int, Values] = {}
    for name, text in given.items():
        if name not in names:
            known = f"its keys are {', '.join(names)}" if names else "it has no keys"
            raise QuestionError(f"{aggregate.name} is not counted by {name}: {known}")
        key = aggregate.keys[names.index(name)]
        value = None if text == "" else _typed(key, text)
        several = forms(str(value)) if key.of_user and value is not None else ()
        found[names.index(name)] = tuple(_typed(key, one) for one in several) or (value,)
    return found


def order_of(aggregate: Aggregate, text: str | None, top: int | None) -> tuple[str, bool] | None:
    """The order that `revenue` (the smallest first) or `-revenue` asks for; the first keys alone need one.

    Raises:
        QuestionError: there is no such measure, or it has no order.
    """
    if text is None:
        return (aggregate.ranked_by, True) if top is not None and aggregate.ranked_by else None
    name = text.removeprefix("-")
    kinds = {one.name: one.kind for one in aggregate.answered}
    ordered = [one for one, kind in kinds.items() if kind not in _UNORDERED]
    if name not in ordered:
        raise QuestionError(f"{aggregate.name} has no order by {name}: there are {', '.join(ordered)}")
    return name, text.startswith("-")


def page(
    aggregate: Aggregate,
    tiles: TenantTiles,
    question: Question,
    *,
    limit: int,
    after: Position | None,
    now: datetime,
) -> Page:
    """A page of windows, oldest first."""
    pager = _Pager(aggregate, tiles, question, now)
    items: list[dict[str, Any]] = []
    start, skip = (question.start, 0) if after is None else (after.start, after.skip)
    for begin, finish in question.windows.between(start, question.end):
        # Without items, too, where there was nothing for a long time: the caller goes on from here.
        if len(items) == limit or pager.is_tired(finish):
            return Page(items, Position(begin, skip), pager.has_other)
        found = pager.window(begin, finish)
        taken = found[skip : skip + limit - len(items)]
        items += taken
        if skip + len(taken) < len(found):
            return Page(items, Position(begin, skip + len(taken)), pager.has_other)
        skip = 0
    return Page(items, None, pager.has_other)


class _Pager:
    """Windows of one question, over tiles that are read as windows come to them."""

    def __init__(self, aggregate: Aggregate, tiles: TenantTiles, question: Question, now: datetime) -> None:
        self._aggregate, self._tiles, self._question = aggregate, tiles, question
        self._now = clock.epoch(now)
        self._kinds = [measures.of(measure) for measure in aggregate.measures]
        self._fading = [at for at, one in enumerate(aggregate.measures) if one.half_life_seconds]
        self._held: Pieces = {}
        self._first = self._read_to = self._kept_from = -1
        self._merged = 0
        self._has_forms = any(len(values) > 1 for values in question.by.values())
        self.has_other = False

    def is_tired(self, end: int) -> bool:
        """Whether this page has cost enough before a window that ends here."""
        days = (end - self._first) / DAY_SECONDS if self._first >= 0 else 0
        return self._merged > MOST_MERGED or days > MOST_DAYS

    def window(self, start: int, end: int) -> list[dict[str, Any]]:
        """The items of a window in order, `other` last."""
        self._read(start, end)
        pieces: dict[KeyValues, list[list[State]]] = {}
        for tile in range(start, end, TILE_SECONDS):
            for key, several in self._held.get(tile, {}).items():
                aged = self._aged(several, end - tile) if self._fading else several
                shared = self._shared(key) if self._has_forms else key
                pieces.setdefault(shared, []).extend(aged)
        self._merged += sum(map(len, pieces.values()))
        by_key = {key: blocks.merged(several, self._kinds) for key, several in pieces.items()}
        other = by_key.pop(OTHER, None) if self._aggregate.keys else None
        self.has_other = self.has_other or other is not None
        ordered = self._ordered(by_key)[: self._question.top]
        span, final = {"start": moment(start), "end": moment(end)}, self._is_final(start, end)
        items = [{**span, **self._item(key, by_key[key]), "final": final} for key in ordered]
        if other is not None and not self._question.by:
            items.append({**span, **self._item(None, other), "final": final, "other": True})
        return items

    def _shared(self, key: KeyValues) -> KeyValues:
        """The key that a key's states are added to: that of the first of the values that were asked for."""
        if key == OTHER:
            return key
        by = self._question.by
        return tuple(by[at][0] if at in by else value for at, value in enumerate(key))

    def _aged(self, several: Sequence[list[State]], seconds: int) -> Sequence[list[State]]:
        kinds = self._kinds
        return [
            [kind.aged(state, seconds) for kind, state in zip(kinds, states, strict=True)]
            for states in several
        ]

    def _read(self, start: int, end: int) -> None:
        """Reads tiles up to a window's end, a day's at once where more windows follow."""
        if self._first < 0:
            self._first = self._read_to = self._kept_from = start
        for tile in range(self._kept_from, start, TILE_SECONDS):
            self._held.pop(tile, None)
        self._kept_from = start
        if end <= self._read_to:
            return
        last = self._question.end + self._question.windows.longest()
        until = max(end, min(last, -(-end // DAY_SECONDS) * DAY_SECONDS))
        self._held.update(self._tiles.pieces(max(start, self._read_to), until))
        self._read_to = until

    def _ordered(self, by_key: Mapping[KeyValues, Sequence[State]]) -> list[KeyValues]:
        named = sorted(by_key, key=_text_order)
        if self._question.order is None:
            return named
        name, descending = self._question.order
        shown = {key: self._value(name, by_key[key]) for key in named}
        without = [key for key in named if shown[key] is None]
        valued = [key for key in named if shown[key] is not None]
        return [*sorted(valued, key=lambda key: shown[key], reverse=descending), *without]

    def _value(self, name: str, states: Sequence[State]) -> Any:
        """One value of an item; the others of a key that only takes part in the order are not made."""
        at = next((at for at, one in enumerate(self._aggregate.measures) if one.name == name), None)
        if at is None:
            return _shown(self._aggregate, self._kinds, states)[name]
        return self._kinds[at].shown(states[at])

    def _item(self, key: KeyValues | None, states: Sequence[State]) -> dict[str, Any]:
        named = zip(self._aggregate.keys, key, strict=True) if key is not None else ()
        return {
            "key": {one.name: measures.shown(one.type, value) for one, value in named},
            **_shown(self._aggregate, self._kinds, states),
        }

    def _is_final(self, start: int, end: int) -> bool:
        """Whether no event can be counted in it any more."""
        over = end + self._aggregate.lateness_seconds
        if over > self._now:
            return False
        days = range(start - start % DAY_SECONDS, end, DAY_SECONDS)
        return not self._aggregate.of_log or all(self._tiles.sealed_until(day) >= over for day in days)


def moment(second: int) -> str:
    """A second since 1970 as answers have it."""
    return clock.utc_text(clock.from_epoch_millis(second * 1000))


def wanted(by: Mapping[int, Values]) -> Callable[[KeyValues], bool] | None:
    """Which keys have these values; those that were added up as `other` are looked at, too: they may be among them."""
    if not by:
        return None
    if sorted(by) == list(range(len(by))):
        # A key that is whole, or its beginning.
        size, starts = len(by), frozenset(product(*(by[at] for at in range(len(by)))))
        return lambda key: key[:size] in starts or key == OTHER
    return lambda key: key == OTHER or all(key[at] in values for at, values in by.items())


def whole_keys(aggregate: Aggregate, by: Mapping[int, Values]) -> Sequence[KeyValues]:
    """The only keys that are asked for; none where there may be any."""
    places = range(len(aggregate.keys))
    return [*product(*(by[at] for at in places))] if places and len(by) == len(aggregate.keys) else []


def _shown(aggregate: Aggregate, kinds: Sequence[Kind], states: Sequence[State]) -> dict[str, Any]:
    named = zip(aggregate.measures, kinds, states, strict=True)
    found = {one.name: kind.shown(state) for one, kind, state in named}
    return with_derived(aggregate.derived, found) if aggregate.derived else found


def _typed(key: Key, text: str) -> Value:
    if key.type in ("int", "long"):
        if not _WHOLE.fullmatch(text):
            raise QuestionError(f"by.{key.name} is a whole number, and {text} is none")
        return int(text)
    if key.type == "boolean":
        if text not in ("true", "false"):
            raise QuestionError(f"by.{key.name} is true or false")
        return text == "true"
    return text


def _text_order(key: KeyValues) -> tuple[tuple[bool, str], ...]:
    return tuple([(value is not None, "" if value is None else measures.text(value)) for value in key])


def _measure(one: Measure | Derived, span: Callable[[int], str]) -> dict[str, Any]:
    half_life = one.half_life_seconds if isinstance(one, Measure) else 0
    more = {"halfLife": span(half_life)} if half_life else {}
    return {"name": one.name, "measure": one.kind, **more}


def catalogue(aggregates: Iterable[Aggregate], span: Callable[[int], str]) -> list[dict[str, Any]]:
    """What there is to ask, by name; `span` writes seconds."""
    return [
        {
            "name": one.name,
            "version": one.version,
            "description": one.description,
            "owner": one.owner,
            "events": list(one.events),
            "source": "log" if one.of_log else "table",
            "keys": [{"name": key.name, "type": key.type} for key in one.keys],
            "measures": [_measure(measure, span) for measure in one.answered],
            "mostKeys": one.most_keys,
            "window": span(one.window_seconds),
            "lateness": span(one.lateness_seconds),
            "retention": f"{one.retention_days}d",
        }
        for one in sorted(aggregates, key=lambda one: one.name)
    ]
