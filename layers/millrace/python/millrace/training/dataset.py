"""Rows of features with their labels, and which of them a model is judged on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from millrace.core import clock
from millrace.training.errors import TrainingError
from millrace.training.split import Period, Split

DAY_US = 86_400_000_000
_EPOCH = date(1970, 1, 1)
Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Transactions in the order of time.

    Attributes:
        names: of the columns.
        values: rows x columns.
        labels: 1 is fraud, 0 is not.
        cards: the customer of each, as any whole number.
        moments: microseconds since 1970, UTC.
    """

    names: tuple[str, ...]
    values: Floats
    labels: Numbers
    cards: Numbers
    moments: Numbers

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def days(self) -> Numbers:
        """Days since 1970."""
        return self.moments // DAY_US

    def where(self, mask: Mask) -> "LabelledRows":
        """The rows where the mask is true."""
        return LabelledRows(
            self.names, self.values[mask], self.labels[mask], self.cards[mask], self.moments[mask]
        )

    def within(self, period: Period) -> "LabelledRows":
        """The rows of a period."""
        days = self.days
        return self.where((days >= number(period.first)) & (days <= number(period.last)))

    def columns(self, names: Sequence[str]) -> "LabelledRows":
        """The same rows with these columns."""
        places = [self.names.index(name) for name in names]
        return LabelledRows(tuple(names), self.values[:, places], self.labels, self.cards, self.moments)


def as_served(values: npt.NDArray[Any]) -> Floats:
    """Values as a served model gets them: rounded to float32. A value too large for one becomes infinite.

    A tree that is trained on finer values splits between two that float32 cannot tell apart: boosting's answer to such a
    row would be off by up to 0.2 where it is served; with rounded values it is off by less than 1e-6.
    """
    with np.errstate(over="ignore"):
        rounded: Floats = values.astype(np.float32).astype(np.float64)
    return rounded


def number(day: date) -> int:
    """Days since 1970."""
    return (day - _EPOCH).days


def first_day(data: LabelledRows) -> date:
    """The UTC day of the earliest row."""
    return clock.from_epoch_micros(int(data.moments.min())).date()


def trained_on(data: LabelledRows, split: Split) -> LabelledRows:
    """The rows of the training days."""
    return data.within(split.train)


def judged_on(data: LabelledRows, split: Split) -> LabelledRows:
    """The rows of the test days, without customers who are known to be compromised.

    The rule is that of the Fraud Detection Handbook's baseline (its chapter 3, "get_train_test_set"): a customer is known
    after a fraud in the training days; and each test day adds those with a fraud on the day that is `delay_days` + 1
    before it, the newest day whose labels are all known when the test day begins. A known customer stays known. When the
    test does not begin right after the delay, the days between count too.
    """
    days, frauds = data.days, data.labels == 1
    begins, ends = number(split.train.first), number(split.train.last)
    known = set(data.cards[frauds & (days >= begins) & (days <= ends)].tolist())
    kept = np.zeros(len(data), dtype=bool)
    upto = ends
    for day in split.test:
        newest = number(day) - split.delay_days - 1
        known |= set(data.cards[frauds & (days > upto) & (days <= newest)].tolist())
        upto = max(upto, newest)
        rows = np.flatnonzero(days == number(day))
        kept[rows[~np.isin(data.cards[rows], list(known))]] = True
    return data.where(kept)


def check(data: LabelledRows, what: str) -> None:
    """Refuses rows that no model can be trained on or judged by.

    Args:
        data: the rows.
        what: how the message names them.

    Raises:
        TrainingError: there are none, a value is NaN or infinite, or the labels are of one class.
    """
    if not len(data):
        raise TrainingError(f"{what}: there are no rows")
    broken = np.flatnonzero(~np.isfinite(data.values).all(axis=0)).tolist()
    if broken:
        names = [data.names[place] for place in broken]
        raise TrainingError(f"{what}: {', '.join(names)} has values that are NaN or infinite")
    if not np.isin(data.labels, (0, 1)).all():
        raise TrainingError(f"{what}: a label is 0 or 1")
    frauds = int(data.labels.sum())
    if frauds == 0:
        raise TrainingError(f"{what}: {len(data)} rows and no fraud among them")
    if frauds == len(data):
        raise TrainingError(f"{what}: all of the {len(data)} rows are fraud")
