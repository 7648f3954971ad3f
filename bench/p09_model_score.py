"""P9: a model's score of one row, graph and calibration, costs at most a twentieth of scikit-learn's `predict_proba`.

Ours is what a decision pays for a row of numbers: written as float32 into the buffer, through the graph, calibrated, rounded.
The peer is given its row as the array that it wants, and answers without a calibration. Both forms come from one training
(bench/export_models.py), and answer alike.
"""

import struct

import numpy as np

from bench import served_models
from bench.figure import Figure, ratio
from bench.served_models import Trained

# Rows on which the answers are compared; none of them is a golden row.
COMPARED = 2000


def measure() -> list[Figure]:
    """The cost of each kind of model, and the largest difference of all."""
    models = served_models.trained()
    worst = max(_difference(one) for one in models)
    return [*map(_cost, models), Figure("P9", "largest difference of an answer", worst, 1e-4)]


def _cost(made: Trained) -> Figure:
    model, estimator = served_models.model(made), made.estimator
    columns = [float(value) for value in made.rows[-1]]
    buffer, pack_into = model.graph.room(1), struct.Struct(f"<{len(columns)}f").pack_into
    alone = np.asarray([columns], dtype=np.float64)
    if hasattr(estimator, "n_jobs"):
        # Threads of its own would only cost it more.
        estimator.n_jobs = 1

    def ours() -> list[float | None]:
        pack_into(buffer, 0, *columns)
        return model.probabilities(1)

    figure = ratio(ours, lambda: estimator.predict_proba(alone))
    return Figure("P9", f"score of one row / predict_proba, {made.algorithm}", figure, 0.05)


def _difference(made: Trained) -> float:
    model, rows = served_models.model(made), made.rows[-COMPARED:]
    buffer = model.graph.room(COMPARED)
    content = rows.astype("<f4").tobytes()
    buffer[: len(content)] = content
    # The card's calibration changes nothing, so what is served is the graph's answer, rounded.
    served = np.asarray(model.probabilities(COMPARED), dtype=np.float64)
    return float(np.abs(served - made.estimator.predict_proba(rows.astype(np.float64))[:, 1]).max())
