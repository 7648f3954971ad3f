"""Scores as probabilities: Platt's scaling, which never changes their order."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from millrace.models.dataset import Floats, Numbers

# Scores of 0 and 1 have no logit.
_EDGE = 1e-6


@dataclass(frozen=True, slots=True)
class Calibration:
    """p = 1 / (1 + exp(-(slope * logit(score) + intercept))); the slope is above 0."""

    slope: float
    intercept: float

    def __call__(self, scores: Floats) -> Floats:
        """The probabilities of scores between 0 and 1."""
        probabilities: Floats = 1 / (1 + np.exp(-(self.slope * _logit(scores) + self.intercept)))
        return probabilities


def _logit(scores: Floats) -> Floats:
    clipped = np.clip(scores, _EDGE, 1 - _EDGE)
    odds: Floats = np.log(clipped / (1 - clipped))
    return odds


def calibrate(labels: Numbers, scores: Floats) -> Calibration:
    """Fitted on rows that the scores' model has not seen.

    Platt, "Probabilistic outputs for support vector machines" (1999). A fit that would turn the order round is none: then
    the scores stay as they are.
    """
    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(_logit(scores).reshape(-1, 1), labels)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    return Calibration(slope, intercept) if slope > 0 else Calibration(1.0, 0.0)
