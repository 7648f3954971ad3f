"""Which days train and which judge."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.errors import PermanentError
from millrace.training.errors import InsufficientDataError
from millrace.training.split import default_split, parse_split

TODAY = date(2026, 11, 22)
ASKED = {"trainFrom": "2026-10-01", "trainTo": "2026-10-14", "testFrom": "2026-10-22", "testTo": "2026-10-28"}


def test_the_last_week_judges_and_up_to_four_weeks_before_the_labels_train() -> None:
    split = default_split(date(2026, 1, 1), TODAY)
    assert str(split.test) == "2026-11-15…2026-11-21"
    assert str(split.train) == "2026-10-11…2026-11-07"
    assert split.train.days == 28


def test_with_little_history_what_there_is_is_trained_on() -> None:
    split = default_split(TODAY - timedelta(days=21), TODAY)
    assert str(split.train) == "2026-11-01…2026-11-07"
    assert split.train.days == 7


def test_a_day_too_few_is_refused_with_the_day_that_is_needed() -> None:
    with pytest.raises(InsufficientDataError, match=r"first transaction is of 2026-11-02.*since 2026-11-01"):
        default_split(TODAY - timedelta(days=20), TODAY)


@given(st.integers(21, 400))
def test_no_label_of_the_test_is_known_when_the_model_is_made(back: int) -> None:
    split = default_split(TODAY - timedelta(days=back), TODAY)
    assert split.test.last < TODAY
    assert split.train.last + timedelta(days=split.delay_days) < split.test.first
    assert split.train.first >= TODAY - timedelta(days=back)
    assert 7 <= split.train.days <= 28


def test_a_requested_split_is_used() -> None:
    split = parse_split({**ASKED, "delayDays": 7})
    assert (str(split.train), str(split.test)) == ("2026-10-01…2026-10-14", "2026-10-22…2026-10-28")
    assert parse_split(ASKED) == split


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"trainFrom": None}, "a split needs trainFrom"),
        ({"testTo": "28.10.2026"}, "testTo is '28.10.2026'"),
        ({"testTo": "20261028"}, "not a date"),
        ({"testTo": 5}, "not a date"),
        ({"testFrom": "2026-10-20"}, "labels of"),
        ({"trainTo": "2026-09-30"}, "ends before it begins"),
        ({"delayDays": 0}, "known after 7 days"),
    ],
)
def test_what_is_no_split_is_refused(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(PermanentError, match=says):
        parse_split({**ASKED, **changed})
