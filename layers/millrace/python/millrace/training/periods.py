"""Days of training, of waiting for labels, and of the test; how they are laid out for validation. No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from millrace.training.errors import TrainingError

# Of validation: how many periods before the training days are trained on and judged.
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

    def moved(self, days: int) -> "Period":
        """The period so many days later, or earlier."""
        return Period(self.first + timedelta(days=days), self.last + timedelta(days=days))

    def __iter__(self) -> Iterator[date]:
        return (self.first + timedelta(days=day) for day in range(self.days))

    def __str__(self) -> str:
        return f"{self.first}…{self.last}"


@dataclass(frozen=True, slots=True)
class Split:
    """What is trained on, and what is judged.

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
    found = [
        Split(train.moved(back - number * train.days), delay_days, train.moved(-number * train.days))
        for number in range(count)
    ]
    found = [split for split in found if split.train.first >= since]
    if found or train.days < 2:
        return found
    middle = train.first + timedelta(days=(train.days - 1) // 2)
    return [Split(Period(train.first, middle), 0, Period(middle + timedelta(days=1), train.last))]
