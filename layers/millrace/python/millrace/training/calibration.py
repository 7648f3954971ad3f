"""Scores as probabilities: Platt's scaling, which never changes their order."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from millrace.model_registry.artifact import Calibration
from millrace.training.dataset import Floats, Numbers

_EDGE = 1e-6


def probabilities(calibration: Calibration, scores: Floats) -> Floats:
    """Of scores between 0 and 1; one by one, by what serving computes them with."""
    return np.fromiter(map(calibration, scores.tolist()), np.float64, len(scores))


def calibrate(labels: Numbers, scores: Floats) -> Calibration:
    """Fitted on rows that the scores' model has not seen.

    Platt, "Probabilistic outputs for support vector machines" (1999). A fit that would turn the order round is none: then
    the scores stay as they are.
    """
    clipped = np.clip(scores, _EDGE, 1 - _EDGE)
    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(
        np.log(clipped / (1 - clipped)).reshape(-1, 1), labels
    )
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    return Calibration(slope, intercept) if slope > 0 else Calibration(1.0, 0.0)
