"""Which matches some events of one key hold, whatever the order in which they came. Pure.

A match ends with its closing event, and an event closes a match or does not: that follows from the events up to it, by
their own time. So a set of events has one set of closing events. Events of one moment are in the order of their ids.
"""

from collections.abc import Iterator, Mapping, Reversible, Sequence
from dataclasses import dataclass

from millrace.contracts.fields import Value
from millrace.patterns.definition import ALL, Pattern, Step

# Choices that are tried for one closing event, where steps are compared with each other.
MOST_TRIES = 5000


@dataclass(frozen=True, slots=True, order=True)
class Fact:
    """An event that is a step of a pattern.

    Attributes:
        micros: when it happened, microseconds since 1970.
        event_id: its identity.
        step: which one.
        received: when intake had it, microseconds since 1970.
        values: the kept fields.
    """

    micros: int
    event_id: str
    step: int
    received: int
    values: tuple[tuple[str, Value], ...] = ()

    @property
    def place(self) -> tuple[int, str]:
        """By which events are ordered."""
        return self.micros, self.event_id


@dataclass(frozen=True, slots=True)
class Match:
    """The events of a match, the closing one last."""

    facts: tuple[Fact, ...]

    @property
    def closing(self) -> Fact:
        """The event that closes it."""
        return self.facts[-1]


def matches(pattern: Pattern, facts: Sequence[Fact]) -> Iterator[Match]:
    """A match for each event that closes one, in order of time.

    Args:
        pattern: the pattern.
        facts: of one key, in any order; each once.
    """
    ordered = sorted(facts)
    for at, closing in enumerate(ordered):
        if (match := closed_by(pattern, closing, ordered[:at])) is not None:
            yield match


def closed_by(pattern: Pattern, closing: Fact, earlier: Reversible[Fact]) -> Match | None:
    """The match that an event closes; None where it closes none.

    Args:
        pattern: the pattern.
        closing: the event.
        earlier: others of its key in the order of time, among them all that may belong to the match.
    """
    oldest = closing.micros - pattern.within.total_seconds() * 1_000_000
    if len(pattern.steps) == 1 and not pattern.steps[0].distinct and not pattern.steps[0].comparisons:
        return _counted(pattern.steps[0].count, closing, earlier, oldest)
    before = [one for one in reversed(earlier) if one.micros >= oldest and one.place < closing.place][::-1]
    together = pattern.kind == ALL
    found = _Search(pattern.steps, before, together=together).of(closing, together=together)
    return None if found is None else Match(tuple(sorted(found)))


def _counted(count: int, closing: Fact, earlier: Reversible[Fact], oldest: float) -> Match | None:
    """So many events of one step, of which nothing else is asked: the latest ones, as a search would choose them."""
    chosen = [closing]
    for one in reversed(earlier):
        if len(chosen) == count or one.micros < oldest:
            break
        if one.step == closing.step and one.place < closing.place:
            chosen.append(one)
    return Match(tuple(chosen[::-1])) if len(chosen) == count else None


class _Search:
    """Looks backwards from a closing event; each event is of one step at most."""

    def __init__(self, steps: Sequence[Step], before: Sequence[Fact], *, together: bool) -> None:
        self._steps = steps
        self._of_step = [[one for one in reversed(before) if one.step == step] for step in range(len(steps))]
        self._compares = any(step.comparisons for step in steps)
        # In any order, two steps may want the same event.
        self._goes_back = self._compares or together
        self._left = MOST_TRIES

    def of(self, closing: Fact, *, together: bool) -> list[Fact] | None:
        """The events of a match that ends with this one; None where there is none."""
        if not together and closing.step != len(self._steps) - 1:
            return None
        if not self._is_new(closing, ()):
            return None
        needed = [step.count for step in self._steps]
        needed[closing.step] -= 1
        return self._chosen([closing], needed, len(needed) - 1, ordered=not together)

    def _chosen(
        self, chosen: list[Fact], needed: list[int], step: int, *, ordered: bool
    ) -> list[Fact] | None:
        """`chosen` with what it still needs of this step and those before it."""
        while step >= 0 and not needed[step]:
            step -= 1
        if step < 0:
            return chosen
        bound = chosen[-1].place
        ids = {one.event_id for one in chosen}
        for one in self._of_step[step]:
            of_step_before = ordered or chosen[-1].step == step
            if one.event_id in ids or (of_step_before and one.place >= bound) or not self._fits(one, chosen):
                continue
            if not self._is_new(one, chosen):
                continue
            self._left -= 1
            needed[step] -= 1
            found = self._chosen([*chosen, one], needed, step, ordered=ordered)
            needed[step] += 1
            # The latest leaves the others the most room: where nothing is compared, none before it does better.
            if found is not None or not self._goes_back or self._left <= 0:
                return found
        return None

    def _is_new(self, one: Fact, chosen: Sequence[Fact]) -> bool:
        """Whether its value is none that an event of its step has, where these have to differ."""
        if not (field := self._steps[one.step].distinct):
            return True
        value = _values(one).get(field)
        return value is not None and all(
            other.step != one.step or _values(other).get(field) != value for other in chosen
        )

    def _fits(self, one: Fact, chosen: Sequence[Fact]) -> bool:
        return not self._compares or all(
            compared(self._steps[later.step], later, one) and compared(self._steps[one.step], one, later)
            for later in chosen
        )


def compared(step: Step, fact: Fact, earlier: Fact) -> bool:
    """Whether an event of a step has what the step's comparisons with the step of another event ask for."""
    mine, theirs = _values(fact), _values(earlier)
    for one in step.comparisons:
        if one.step != earlier.step:
            continue
        value, other = mine.get(one.field), theirs.get(one.of)
        if value is None or other is None or (value == other) is not one.same:
            return False
    return True


def _values(fact: Fact) -> Mapping[str, Value]:
    return dict(fact.values)
