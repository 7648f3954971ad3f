"""Training on rows that are made up: fraud is where two columns are large."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from millrace.training.algorithms import (
    ALGORITHMS,
    GRADIENT_BOOSTING,
    LOGISTIC_REGRESSION,
    REPEATS,
    Algorithm,
)
from millrace.training.dataset import DAY_US, LabelledRows, number
from millrace.training.errors import TrainingError
from millrace.training.split import Period, Split
from millrace.training.train import TrainedModel, calibrate, evaluate, probabilities, train

START = date(2018, 7, 1)
SPLIT = Split(
    Period(START + timedelta(days=21), START + timedelta(days=27)),
    7,
    Period(START + timedelta(days=35), START + timedelta(days=41)),
)
SMALL: dict[str, tuple[dict[str, Any], ...]] = {
    "logistic_regression": ({"C": 1.0},),
    "random_forest": ({"n_estimators": 20, "min_samples_leaf": 2}, {"n_estimators": 1, "max_depth": 1}),
    "gradient_boosting": ({"max_iter": 20, "class_weight": "balanced"},),
}


def made(seed: int = 1, *, rows: int = 4200) -> LabelledRows:
    drawn = np.random.default_rng(seed)
    values = drawn.normal(size=(rows, 3))
    labels = (values[:, 0] + values[:, 1] > 2.6).astype(np.int64)
    moments = np.sort(drawn.integers(number(START) * DAY_US, (number(START) + 42) * DAY_US, rows))
    # Each its own customer: nobody is known to be compromised.
    return LabelledRows(("first", "second", "noise"), values, labels, np.arange(rows), moments)


def small(algorithm: Algorithm) -> Algorithm:
    return Algorithm(algorithm.name, SMALL[algorithm.name])


def trained(data: LabelledRows, algorithm: Algorithm = LOGISTIC_REGRESSION) -> TrainedModel:
    return train(data, SPLIT, small(algorithm), jobs=1)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda one: one.name)
def test_a_model_finds_what_there_is_to_find(algorithm: Algorithm) -> None:
    data = made()
    model = trained(data, algorithm)
    judged = evaluate(model, data, SPLIT)
    assert judged.metrics.average_precision > 0.8
    assert judged.metrics.auc_roc > 0.95
    assert 0 < model.threshold < 1
    assert len(model.validation) == 2
    assert list(model.importances)[-1] == "noise"


def test_the_better_settings_are_chosen() -> None:
    forest = next(one for one in ALGORITHMS if one.name == "random_forest")
    assert trained(made(), forest).settings == SMALL["random_forest"][0]


def test_repeated_frauds_weigh_more() -> None:
    data = made()

    def mean(repeats: int) -> float:
        settings = {"class_weight": None, "max_iter": 20, REPEATS: repeats}
        fitted = GRADIENT_BOOSTING.fit(settings, data.values, data.labels, seed=1, jobs=1)
        return float(fitted.predict_proba(data.values)[:, 1].mean())

    share = data.labels.mean()
    # Boosting's scores have the mean of what it was fitted to, and more of it is fraud: 5 p / (1 + 4 p).
    assert mean(1) == pytest.approx(share, rel=0.1)
    assert share * 1.2 < mean(5) <= 5 * share / (1 + 4 * share)


def test_the_same_rows_make_the_same_model() -> None:
    data = made()
    first, second = trained(data, GRADIENT_BOOSTING), trained(data, GRADIENT_BOOSTING)
    assert np.array_equal(first.scores(data), second.scores(data))


def test_nothing_after_the_training_days_changes_a_model() -> None:
    data = made()
    after = data.days > number(SPLIT.train.last)
    changed = LabelledRows(
        data.names,
        np.where(after[:, None], 99.0, data.values),
        np.where(after, 1 - data.labels, data.labels),
        data.cards,
        data.moments,
    )
    before = data.where(~after)
    assert np.array_equal(trained(data).scores(before), trained(changed).scores(before))
    assert trained(data).threshold == trained(changed).threshold


def test_calibration_keeps_the_order_and_makes_probabilities() -> None:
    drawn = np.random.default_rng(2)
    truth = drawn.uniform(0.02, 0.98, 4000)
    labels = (drawn.uniform(size=4000) < truth).astype(np.int64)
    distorted = truth**3
    calibration = calibrate(labels, distorted)
    scores = probabilities(calibration, distorted)
    assert (np.diff(scores[np.argsort(distorted)]) >= 0).all()
    assert np.mean((scores - labels) ** 2) < np.mean((distorted - labels) ** 2)
    # Scores that say the opposite are left as they are rather than turned round.
    assert calibrate(1 - labels, truth).slope == 1.0


def test_training_days_without_fraud_are_refused() -> None:
    data = made()
    inside = (data.days >= number(SPLIT.train.first)) & (data.days <= number(SPLIT.train.last))
    none = LabelledRows(data.names, data.values, np.where(inside, 0, data.labels), data.cards, data.moments)
    with pytest.raises(TrainingError, match="no fraud among them"):
        trained(none)


def test_test_days_without_fraud_are_refused() -> None:
    data = made()
    inside = data.days >= number(SPLIT.test.first)
    none = LabelledRows(data.names, data.values, np.where(inside, 0, data.labels), data.cards, data.moments)
    with pytest.raises(TrainingError, match=r"test days .* no fraud"):
        evaluate(trained(data), none, SPLIT)


def test_a_model_that_says_the_same_of_every_row_is_refused() -> None:
    data = made()
    flat = LabelledRows(data.names, np.zeros_like(data.values), data.labels, data.cards, data.moments)
    with pytest.raises(TrainingError, match="gives every row the score"):
        trained(flat)


def test_columns_in_another_order_are_refused() -> None:
    data = made()
    with pytest.raises(TrainingError, match="not those"):
        trained(data).scores(data.columns(("second", "first", "noise")))


def test_without_history_validation_is_inside_the_training_days() -> None:
    data = made()
    late = data.where(data.days >= number(SPLIT.train.first))
    assert len(trained(late).validation) == 1
