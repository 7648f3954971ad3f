"""A backfill: which runs rebuild an interval of days, and which of them an earlier attempt has done already."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from millrace.core.errors import PermanentError
from millrace.runs.names import ExecutionName, days_of, named, parse

# How often the state machine starts a day that failed: names of a backfill's attempts lie so far apart.
STARTS = 3

Done = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class ChildRun:
    """A run that a backfill starts, as `<name>-<attempt>` and, where that fails, under the attempts behind it."""

    name: str
    attempt: int
    first: str
    last: str

    @property
    def names(self) -> tuple[str, ...]:
        """Every name it may run under, earlier attempts of the backfill included."""
        return tuple(f"{self.name}-{number}" for number in range(1, self.attempt + STARTS))


@dataclass(frozen=True, slots=True)
class BackfillPlan:
    """What an attempt at a backfill does. `root`: the attempt whose series of runs it goes on with."""

    run: str
    root: int
    days: tuple[ChildRun, ...]
    done: tuple[ChildRun, ...]
    tables: ChildRun

    def answer(self) -> dict[str, Any]:
        """The state machine's part of it."""
        return {
            "days": [{"day": one.first, "name": one.name, "attempt": one.attempt} for one in self.days],
            "tables": {
                "name": self.tables.name,
                "attempt": self.tables.attempt,
                "from": self.tables.first,
                "to": self.tables.last,
            },
        }


def plan(run: str, first: str, last: str, earlier: BackfillPlan | None, done: Done) -> BackfillPlan:
    """Plans an attempt.

    Args:
        run: the backfill's execution name.
        first: the first UTC day.
        last: the last one, included.
        earlier: the plan of the last attempt before this one at the same interval, if there was one.
        done: whether a run of that name has ended with everything done.

    Raises:
        PermanentError: the name is not a backfill's, or the interval is none or too long.
    """
    name = parse(run)
    if name is None or name.machine != "backfill":
        raise PermanentError(f"{run} is not a valid name of a backfill")
    start, end = days_of(first, last)
    root = name.attempt
    if earlier is not None and not _complete(earlier, done):
        root = earlier.root
    children = [
        _child(name, root, f"{day:%Y%m%d}", day, day)
        for day in (start + timedelta(days=n) for n in range((end - start).days + 1))
    ]
    ended = {child.name for child in children if _ended(child, done)}
    return BackfillPlan(
        run,
        root,
        tuple(child for child in children if child.name not in ended),
        tuple(child for child in children if child.name in ended),
        _child(name, root, "tables", start, end),
    )


def _child(name: ExecutionName, root: int, what: str, first: date, last: date) -> ChildRun:
    attempt = (name.attempt - root) * STARTS + 1
    child = named("hourly_etl", f"{what}-{name.interval}-{root}", attempt)
    return ChildRun(child.prefix, attempt, f"{first}", f"{last}")


def _ended(child: ChildRun, done: Done) -> bool:
    # Those of this very attempt have not run: an attempt of the first of a series finds nothing.
    return child.attempt > 1 and any(done(name) for name in child.names[: child.attempt - 1])


def _complete(earlier: BackfillPlan, done: Done) -> bool:
    return all(any(done(name) for name in child.names) for child in (earlier.tables, *earlier.days))
