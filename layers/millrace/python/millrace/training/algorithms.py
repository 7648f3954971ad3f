"""The three algorithms, and the settings among which validation chooses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from millrace.training.dataset import Floats, Numbers
from millrace.training.errors import TrainingError

Settings = Mapping[str, Any]
# A setting of our own: how often each fraud is repeated among the rows that a model is fitted to. It has the effect of a class
# weight; with weights boosting sorts every column hundreds of times, which takes three times as long as all of its trees.
REPEATS = "fraud_repeats"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An algorithm and its candidate settings.

    Attributes:
        name: as it is registered.
        candidates: settings to choose from. Fraud is rare: whether its rows weigh more is one of them.
    """

    name: str
    candidates: Sequence[Settings]

    def estimator(self, settings: Settings, *, seed: int, jobs: int) -> Any:
        """An untrained scikit-learn estimator."""
        match self.name:
            case "logistic_regression":
                return make_pipeline(
                    StandardScaler(), LogisticRegression(max_iter=2000, random_state=seed, **settings)
                )
            case "random_forest":
                return RandomForestClassifier(n_jobs=jobs, random_state=seed, **settings)
            case "gradient_boosting":
                return HistGradientBoostingClassifier(early_stopping=False, random_state=seed, **settings)
        raise TrainingError(f"there is no algorithm {self.name}")

    def fit(self, settings: Settings, values: Floats, labels: Numbers, *, seed: int, jobs: int) -> Any:
        """An estimator, fitted to rows x columns and their labels."""
        parameters = dict(settings)
        repeats = parameters.pop(REPEATS, 1) - 1
        rows = np.concatenate([np.arange(len(labels)), np.repeat(np.flatnonzero(labels == 1), repeats)])
        estimator = self.estimator(parameters, seed=seed, jobs=jobs).fit(values[rows], labels[rows])
        if "n_jobs" in estimator.get_params(deep=False):
            # Threads would add up the trees' answers in any order, and the last digits would differ from run to run.
            estimator.set_params(n_jobs=1)
        return estimator


LOGISTIC_REGRESSION = Algorithm(
    "logistic_regression",
    (
        {"C": 0.01, "class_weight": None},
        {"C": 0.1, "class_weight": None},
        {"C": 0.01, "class_weight": "balanced"},
    ),
)
# Each tree sees three rows in ten. Sixty trees of depth 12 rank as well as hundreds of unbounded ones, train in a fraction of the
# time, and make a graph that loads quickly where it is served.
_FOREST = {"n_estimators": 60, "max_samples": 0.3, "max_features": "sqrt", "max_depth": 12}
RANDOM_FOREST = Algorithm(
    "random_forest",
    (
        {**_FOREST, "min_samples_leaf": 2, "class_weight": None},
        {**_FOREST, "min_samples_leaf": 4, "class_weight": {0: 1, 1: 5}},
    ),
)
_BOOSTING = {
    "learning_rate": 0.05,
    "max_leaf_nodes": 8,
    "l2_regularization": 5.0,
    "min_samples_leaf": 20,
    "max_iter": 100,
}
GRADIENT_BOOSTING = Algorithm(
    "gradient_boosting",
    (
        _BOOSTING,
        {**_BOOSTING, REPEATS: 5},
    ),
)
ALGORITHMS = (LOGISTIC_REGRESSION, RANDOM_FOREST, GRADIENT_BOOSTING)
