"""Which days train and which judge: chosen by what there is, or as asked. No I/O."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from millrace.core.errors import PermanentError
from millrace.training.errors import TrainingError
from millrace.training.periods import Period, Split

# A transaction's label is known so many days later; the views that count frauds wait as long.
DELAY_DAYS = 7
TEST_DAYS = 7
FEWEST_DAYS, MOST_DAYS = 7, 28
_FIELDS = ("trainFrom", "trainTo", "testFrom", "testTo")


class NotEnoughError(PermanentError):
    """What there is of a tenant makes no training set; the message says what is missing."""


def by_what_there_is(first: date, today: date) -> Split:
    """The last whole days are the test, and up to four weeks before it, less the delay of labels, are trained on.

    Args:
        first: the first day that has a transaction.
        today: not a whole day yet.

    Raises:
        NotEnoughError: too few days; it names the first one and the one that is needed.
    """
    test = Period(today - timedelta(days=TEST_DAYS), today - timedelta(days=1))
    last = test.first - timedelta(days=DELAY_DAYS + 1)
    needed = last - timedelta(days=FEWEST_DAYS - 1)
    if first > needed:
        raise NotEnoughError(
            f"the first transaction is of {first}, and a training on {today} needs transactions since {needed}: "
            f"{FEWEST_DAYS} days to train on, {DELAY_DAYS} until their labels are known, {TEST_DAYS} to judge by"
        )
    return Split(Period(max(first, last - timedelta(days=MOST_DAYS - 1)), last), DELAY_DAYS, test)


def as_asked(given: Mapping[str, Any]) -> Split:
    """A split as a caller writes it.

    Raises:
        PermanentError: a day is missing or no day, or the days are no split.
    """
    if missing := [name for name in _FIELDS if given.get(name) is None]:
        raise PermanentError(f"a split needs {', '.join(missing)}")
    days = {name: _day(name, given[name]) for name in _FIELDS}
    delay = given.get("delayDays", DELAY_DAYS)
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
        found = date.fromisoformat(text)
    except (TypeError, ValueError):
        found = None
    if found is None or found.isoformat() != text:
        raise PermanentError(f"{name} is {text!r}, which is no date such as 2026-11-21")
    return found
