"""From rows to a model: settings chosen by validation in the order of time, a fit to the training days, calibration."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from threadpoolctl import threadpool_limits

from millrace.model_registry.artifact import Calibration, GateResult
from millrace.training import dataset
from millrace.training.algorithms import Algorithm, Settings
from millrace.training.dataset import Floats, LabelledRows, Numbers
from millrace.training.errors import TrainingError
from millrace.training.metrics import Metrics, best_threshold, gates, measure
from millrace.training.split import Split, folds

SEED = 7
# Importances are measured on up to this many frauds and as many other rows.
SAMPLE = 1500
# Scores of 0 and 1 have no logit.
_EDGE = 1e-6


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model that can score.

    Attributes:
        algorithm: its name.
        settings: as validation chose them.
        names: the columns that the estimator takes, in order.
        estimator: fitted, of scikit-learn.
        calibration: from its scores to probabilities.
        threshold: the probability from which on a transaction is called fraud.
        validation: average precision of the settings on each fold.
        importances: by how much average precision falls on rows before the training days when a column is shuffled,
            greatest first.
    """

    algorithm: str
    settings: Settings
    names: tuple[str, ...]
    estimator: Any
    calibration: Calibration
    threshold: float
    validation: tuple[float, ...]
    importances: Mapping[str, float]

    def raw(self, data: LabelledRows) -> Floats:
        """The estimator's scores, before calibration."""
        if data.names != self.names:
            raise TrainingError("the columns are not those that the model was trained with")
        return raw_scores(self.estimator, data)

    def scores(self, data: LabelledRows) -> Floats:
        """Probabilities of fraud."""
        return probabilities(self.calibration, self.raw(data))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a model did on held-out time."""

    metrics: Metrics
    gates: tuple[GateResult, ...]

    @property
    def passed(self) -> bool:
        """Whether it may be deployed."""
        return all(gate.passed for gate in self.gates)


def raw_scores(estimator: Any, data: LabelledRows) -> Floats:
    """The estimator's scores, before calibration."""
    with threadpool_limits(limits=1):
        scores: Floats = estimator.predict_proba(data.values)[:, 1]
    return scores


def probabilities(calibration: Calibration, scores: Floats) -> Floats:
    """Calibrated scores; one by one, with the function that serving calls."""
    return np.fromiter(map(calibration, scores.tolist()), np.float64, len(scores))


def calibrate(labels: Numbers, scores: Floats) -> Calibration:
    """Platt's scaling, fitted on rows that the scores' model has not seen.

    Platt, "Probabilistic outputs for support vector machines" (1999). A fit that would reverse the order is not used: then
    the scores stay as they are.
    """
    clipped = np.clip(scores, _EDGE, 1 - _EDGE)
    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(
        np.log(clipped / (1 - clipped)).reshape(-1, 1), labels
    )
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    return Calibration(slope, intercept) if slope > 0 else Calibration(1.0, 0.0)


def train(
    data: LabelledRows, split: Split, algorithm: Algorithm, *, seed: int = SEED, jobs: int = 2
) -> TrainedModel:
    """Chooses settings, fits them to the training days, calibrates, sets the threshold.

    Settings, calibration and threshold are made on folds that lie before the end of the training days, laid out as the
    test is: trained on one period, judged on a later one, the delay between them. No row of the delay or the test is seen.

    Args:
        data: rows of the training days and, for validation, of the weeks before them.
        split: the days.
        algorithm: what to train.
        seed: of everything that is drawn.
        jobs: processor cores.

    Raises:
        TrainingError: no model can be made of the rows, or the model gives every row the same score.
    """
    # Threads of OpenMP and BLAS wait by spinning, which takes many times as long beside other programs. The forest has threads
    # of its own, `jobs` of them.
    with threadpool_limits(limits=1):
        return _train(data, split, algorithm, seed=seed, jobs=jobs)


def _train(data: LabelledRows, split: Split, algorithm: Algorithm, *, seed: int, jobs: int) -> TrainedModel:
    rows = dataset.trained_on(data, split)
    dataset.check(rows, f"training days {split.train}")
    seen = data.where(data.days <= dataset.number(split.train.last))
    pairs = _folds(seen, split)
    settings, validation, labels, scores = _choose(pairs, algorithm, seed=seed, jobs=jobs)
    calibration = calibrate(labels, scores)
    estimator = algorithm.fit(settings, rows.values, rows.labels, seed=seed, jobs=jobs)
    fitted_scores = raw_scores(estimator, rows)
    if np.ptp(fitted_scores) == 0:
        raise TrainingError(f"{algorithm.name} gives every row the score {fitted_scores[0]:.3g}")
    return TrainedModel(
        algorithm=algorithm.name,
        settings=settings,
        names=data.names,
        estimator=estimator,
        calibration=calibration,
        threshold=best_threshold(labels, probabilities(calibration, scores)),
        validation=validation,
        importances=_importances(estimator, _unseen(seen, rows, split), seed=seed),
    )


def evaluate(
    model: TrainedModel,
    data: LabelledRows,
    split: Split,
    *,
    raw: Callable[[LabelledRows], Floats] | None = None,
) -> Evaluation:
    """Judges a model on the test days, customers who are known to be compromised left out.

    Args:
        model: its calibration and threshold.
        data: rows of the test days; of those before them, who is known to be compromised.
        split: the days.
        raw: gives the scores before calibration, as the exported graph does; without it the estimator does.

    Raises:
        TrainingError: the test days cannot be judged by, or the model gives all their rows the same score.
    """
    rows = dataset.judged_on(data, split)
    dataset.check(rows, f"test days {split.test}")
    scores = probabilities(model.calibration, (raw or model.raw)(rows))
    if np.ptp(scores) == 0:
        raise TrainingError(f"{model.algorithm} gives every row of the test the score {scores[0]:.3g}")
    metrics = measure(rows, scores, model.threshold)
    return Evaluation(metrics, gates(metrics))


def _folds(seen: LabelledRows, split: Split) -> list[tuple[LabelledRows, LabelledRows]]:
    """Rows to fit and rows to judge by, of each fold that has both classes in both."""
    since = dataset.first_day(seen)
    pairs = [
        (dataset.trained_on(seen, fold), dataset.judged_on(seen, fold))
        for fold in folds(split.train, split.delay_days, since=since)
    ]
    good = [pair for pair in pairs if all(0 < part.labels.sum() < len(part) for part in pair)]
    if not good:
        raise TrainingError(
            f"no validation is possible up to {split.train.last}: some part has one class only"
        )
    for fitted, judged in good:
        dataset.check(fitted, "a fold's training rows")
        dataset.check(judged, "a fold's validation rows")
    return good


def _choose(
    pairs: Sequence[tuple[LabelledRows, LabelledRows]], algorithm: Algorithm, *, seed: int, jobs: int
) -> tuple[Settings, tuple[float, ...], Numbers, Floats]:
    """The candidate with the best mean average precision; with it the labels and scores of all its folds."""
    best: tuple[Settings, tuple[float, ...], Numbers, Floats] | None = None
    for settings in algorithm.candidates:
        precisions, labels, scores = [], [], []
        for fitted, judged in pairs:
            estimator = algorithm.fit(settings, fitted.values, fitted.labels, seed=seed, jobs=jobs)
            fold_scores = raw_scores(estimator, judged)
            precisions.append(float(average_precision_score(judged.labels, fold_scores)))
            labels.append(judged.labels)
            scores.append(fold_scores)
        if best is None or np.mean(precisions) > np.mean(best[1]):
            best = settings, tuple(precisions), np.concatenate(labels), np.concatenate(scores)
    if best is None:
        raise TrainingError(f"{algorithm.name} has no settings to choose from")
    return best


def _unseen(seen: LabelledRows, rows: LabelledRows, split: Split) -> LabelledRows:
    """Rows before the training days, which the model has not seen; the training rows where there are none."""
    earlier = seen.where(seen.days < dataset.number(split.train.first))
    return earlier if 0 < earlier.labels.sum() < len(earlier) else rows


def _importances(estimator: Any, rows: LabelledRows, *, seed: int) -> dict[str, float]:
    """Breiman's permutation importance on a sample of rows."""
    rng = np.random.default_rng(seed)
    classes = (np.flatnonzero(rows.labels == label) for label in (1, 0))
    sample = np.concatenate([rng.permutation(places)[:SAMPLE] for places in classes])
    values, labels = rows.values[sample].copy(), rows.labels[sample]
    base = average_precision_score(labels, estimator.predict_proba(values)[:, 1])
    importances: dict[str, float] = {}
    for column, name in enumerate(rows.names):
        kept = values[:, column].copy()
        values[:, column] = rng.permutation(kept)
        importances[name] = float(
            base - average_precision_score(labels, estimator.predict_proba(values)[:, 1])
        )
        values[:, column] = kept
    return dict(sorted(importances.items(), key=lambda one: -one[1]))
