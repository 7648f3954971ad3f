"""The days that train and the days that test, and how they are laid out for validation. No I/O."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from millrace.core.errors import PermanentError
from millrace.training.errors import InsufficientDataError, TrainingError

# A transaction's label is known this many days later; the views that count frauds wait as long.
DELAY_DAYS = 7
TEST_DAYS = 7
FEWEST_DAYS, MOST_DAYS = 7, 28
_FIELDS = ("trainFrom", "trainTo", "testFrom", "testTo")
# How many periods before the training days validation trains on and judges.
FOLDS = 2


@dataclass(frozen=True, slots=True)
class Period:
    """Whole UTC days, the first and the last included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise TrainingError(f"the period {self} ends before it begins")

    @property
    def days(self) -> int:
        """How many days."""
        return (self.last - self.first).days + 1

    def shifted(self, days: int) -> "Period":
        """The period this many days later; earlier where `days` is negative."""
        return Period(self.first + timedelta(days=days), self.last + timedelta(days=days))

    def __iter__(self) -> Iterator[date]:
        return (self.first + timedelta(days=day) for day in range(self.days))

    def __str__(self) -> str:
        return f"{self.first}…{self.last}"


@dataclass(frozen=True, slots=True)
class Split:
    """The training days and the test days.

    Attributes:
        train: the days whose rows and labels make the model.
        delay_days: how long after a transaction its label is known.
        test: the days that are held out; none of their labels is known when the model is made.
    """

    train: Period
    delay_days: int
    test: Period

    def __post_init__(self) -> None:
        if self.delay_days < 0:
            raise TrainingError("a label is not known before its transaction")
        known = self.train.last + timedelta(days=self.delay_days)
        if self.test.first <= known:
            raise TrainingError(
                f"the labels of {self.train} are known after {known}, and the test begins on {self.test.first}"
            )


def first_needed(split: Split) -> date:
    """The first day whose rows training reads: that of the earliest fold."""
    return split.train.first - timedelta(days=split.train.days * FOLDS + split.delay_days)


def folds(train: Period, delay_days: int, *, since: date, count: int = FOLDS) -> list[Split]:
    """Splits for choosing between settings: the same layout as the test's, moved back so that the training days are last.

    Args:
        train: the training days; the first split is judged on them.
        delay_days: as in the test.
        since: the first day of the data; splits that begin before it are left out.
        count: how many splits at most, each a whole training period earlier.

    Returns:
        The splits, the newest first. Without enough history one split inside the training days: the first half (or
        more) and the rest, without a delay because there is no room for one.
    """
    back = -(train.days + delay_days)
    splits = [
        Split(train.shifted(back - number * train.days), delay_days, train.shifted(-number * train.days))
        for number in range(count)
    ]
    splits = [split for split in splits if split.train.first >= since]
    if splits or train.days < 2:
        return splits
    middle = train.first + timedelta(days=(train.days - 1) // 2)
    return [Split(Period(train.first, middle), 0, Period(middle + timedelta(days=1), train.last))]


def default_split(first: date, today: date) -> Split:
    """The last whole days are the test; up to four weeks before it, less the delay of labels, are the training days.

    Args:
        first: the first day that has a transaction.
        today: the current day, which is not complete yet.

    Raises:
        InsufficientDataError: too few days; the message names the first day there is and the first that is needed.
    """
    test = Period(today - timedelta(days=TEST_DAYS), today - timedelta(days=1))
    last = test.first - timedelta(days=DELAY_DAYS + 1)
    needed = last - timedelta(days=FEWEST_DAYS - 1)
    if first > needed:
        raise InsufficientDataError(
            f"the first transaction is of {first}, and a training on {today} needs transactions since {needed}: "
            f"{FEWEST_DAYS} days to train on, {DELAY_DAYS} until their labels are known, {TEST_DAYS} to judge by"
        )
    return Split(Period(max(first, last - timedelta(days=MOST_DAYS - 1)), last), DELAY_DAYS, test)


def parse_split(document: Mapping[str, Any]) -> Split:
    """The split that a caller writes as JSON.

    Raises:
        PermanentError: a day is missing or is not a date, or the days make no split.
    """
    if missing := [name for name in _FIELDS if document.get(name) is None]:
        raise PermanentError(f"a split needs {', '.join(missing)}")
    days = {name: _day(name, document[name]) for name in _FIELDS}
    delay = document.get("delayDays", DELAY_DAYS)
    if delay != DELAY_DAYS:
        raise PermanentError(
            f"labels are known after {DELAY_DAYS} days, as the feature views say, and not {delay}"
        )
    try:
        return Split(
            Period(days["trainFrom"], days["trainTo"]),
            DELAY_DAYS,
            Period(days["testFrom"], days["testTo"]),
        )
    except TrainingError as error:
        raise PermanentError(str(error)) from error


def _day(name: str, text: Any) -> date:
    try:
        day = date.fromisoformat(text)
    except (TypeError, ValueError):
        day = None
    if day is None or day.isoformat() != text:
        raise PermanentError(f"{name} is {text!r}, which is not a date such as 2026-11-21")
    return day
