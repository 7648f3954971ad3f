"""Days, who is judged, and the metrics, each against a reckoning of its own."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.training import dataset
from millrace.training.dataset import DAY_US, LabelledRows, number
from millrace.training.errors import TrainingError
from millrace.training.metrics import (
    Metrics,
    at_threshold,
    best_threshold,
    card_precision,
    gate_text,
    gates,
    measure,
)
from millrace.training.split import Period, Split, folds

START = date(2018, 7, 25)


def days(first: int, last: int) -> Period:
    return Period(START + timedelta(days=first), START + timedelta(days=last))


def made(rows: list[tuple[int, int, int]], values: list[float] | None = None) -> LabelledRows:
    """Rows of (day after the start, card, label)."""
    column = np.array(values if values is not None else [float(place) for place in range(len(rows))])
    return LabelledRows(
        ("x",),
        column.reshape(-1, 1),
        np.array([label for _, _, label in rows], dtype=np.int64),
        np.array([card for _, card, _ in rows], dtype=np.int64),
        np.array([(number(START) + day) * DAY_US + 5 for day, _, _ in rows], dtype=np.int64),
    )


PUBLISHED = Split(days(0, 6), 7, days(14, 20))


def judged(rows: list[tuple[int, int, int]], split: Split = PUBLISHED) -> list[tuple[int, int]]:
    found = dataset.judged_on(made(rows), split)
    return list(zip((found.days - number(START)).tolist(), found.cards.tolist(), strict=True))


def test_a_customer_with_a_fraud_in_training_is_not_judged() -> None:
    assert judged([(3, 1, 1), (3, 2, 0), (14, 1, 0), (14, 2, 1), (20, 1, 1)]) == [(14, 2)]


def test_a_fraud_of_the_delay_is_known_eight_days_later_and_from_then_on() -> None:
    rows = [(8, 1, 1), *((day, 1, 0) for day in range(14, 21))]
    assert judged(rows) == [(14, 1), (15, 1)]


def test_a_fraud_of_the_test_itself_is_not_known() -> None:
    assert judged([(14, 1, 1), (15, 1, 0), (20, 1, 1)]) == [(14, 1), (15, 1), (20, 1)]


def test_a_later_test_knows_all_that_lies_between() -> None:
    split = Split(days(0, 6), 7, days(30, 31))
    assert judged(
        [(10, 1, 1), (22, 2, 1), (23, 3, 1), (30, 1, 0), (30, 2, 0), (30, 3, 0), (31, 3, 0)], split
    ) == [(30, 3)]


@pytest.mark.parametrize(("delay", "first"), [(7, 13), (0, 6), (14, 20)])
def test_a_test_before_the_labels_are_known_is_refused(delay: int, first: int) -> None:
    with pytest.raises(TrainingError, match="are known after"):
        Split(days(0, 6), delay, days(first, first + 6))
    Split(days(0, 6), delay, days(first + 1, first + 6))


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(TrainingError, match="ends before it begins"):
        days(3, 2)


def test_folds_are_laid_out_as_the_test_is_and_end_with_the_training_days() -> None:
    found = folds(days(0, 6), 7, count=2, since=START - timedelta(days=21))
    assert found == [
        Split(days(-14, -8), 7, days(0, 6)),
        Split(days(-21, -15), 7, days(-7, -1)),
    ]
    assert folds(days(0, 6), 7, count=2, since=START - timedelta(days=20)) == found[:1]


def test_without_history_the_training_days_are_split() -> None:
    assert folds(days(0, 6), 7, count=2, since=START) == [Split(days(0, 3), 0, days(4, 6))]
    assert folds(days(0, 0), 7, count=2, since=START) == []


def test_card_precision_is_of_cards_and_days() -> None:
    rows = [(0, 1, 0), (0, 1, 1), (0, 2, 0), (0, 3, 1), (1, 1, 1), (1, 2, 1), (1, 3, 0), (1, 4, 0)]
    scores = np.array([0.9, 0.1, 0.8, 0.7, 0.99, 0.6, 0.5, 0.4])
    data = made(rows)
    # Day 0: cards 1 and 2 lead, 1 is defrauded. Day 1: 1 was found and is left out, 2 and 3 lead.
    assert card_precision(data.days, data.cards, data.labels, scores, 2) == (1 / 2 + 1 / 2) / 2
    # Day 1 has three cards left; the denominator stays.
    assert card_precision(data.days, data.cards, data.labels, scores, 4) == (2 / 4 + 1 / 4) / 2


ranked = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8)), min_size=1, max_size=40).filter(
    lambda rows: any(label for label, _ in rows)
)


@given(ranked)
def test_the_best_threshold_is_the_best_of_all(rows: list[tuple[int, int]]) -> None:
    labels = np.array([label for label, _ in rows], dtype=np.int64)
    scores = np.array([score / 8 for _, score in rows])
    best = max(at_threshold(labels, scores, cut)[2] for cut in set(scores.tolist()))
    assert at_threshold(labels, scores, best_threshold(labels, scores))[2] == pytest.approx(best)


def test_measured_on_one_class_is_refused() -> None:
    with pytest.raises(TrainingError, match="one class"):
        measure(made([(0, 1, 0)]), np.array([0.5]), 0.5)


def test_a_missed_gate_names_the_difference() -> None:
    metrics = Metrics(0.9, 0.7, 0.3, precision=0.85, recall=0.62, f1=0.75, brier=0.01)
    found = {gate.name: gate for gate in gates(metrics)}
    assert [gate.passed for gate in found.values()] == [True, False, True]
    assert gate_text(found["recall"]) == "recall 0.620 is 0.080 below 0.70"


@pytest.mark.parametrize(
    ("rows", "values", "says"),
    [
        ([], None, "no rows"),
        ([(0, 1, 0), (0, 2, 0)], None, "2 rows and no fraud"),
        ([(0, 1, 1), (0, 2, 1)], None, "all of the 2 rows are fraud"),
        ([(0, 1, 1), (0, 2, 0)], [np.nan, 1.0], "x has values that are NaN"),
        ([(0, 1, 1), (0, 2, 0)], [np.inf, 1.0], "x has values that are NaN"),
        ([(0, 1, 2), (0, 2, 0)], None, "a label is 0 or 1"),
    ],
)
def test_rows_that_make_no_model_are_refused(
    rows: list[tuple[int, int, int]], values: list[float] | None, says: str
) -> None:
    with pytest.raises(TrainingError, match=says):
        dataset.check(made(rows, values), "rows")
