"""An ONNX graph's scores of rows, and how far they are from those of the estimator that it was made of."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime

from millrace.training.dataset import Floats
from millrace.training.errors import TrainingError

INPUT, OUTPUT = "X", "score"
# How far the graph may be from the estimator on any row.
PARITY = 1e-4


def run(onnx: bytes, values: Floats) -> Floats:
    """A graph's scores of rows, on one thread.

    Args:
        onnx: the graph.
        values: rows x columns, rounded to float32.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    answers: Sequence[Any] = session.run([OUTPUT], {INPUT: values.astype(np.float32)})
    scores: Floats = np.asarray(answers[0], dtype=np.float64).reshape(-1)
    return scores


def compare(scores: Floats, estimated: Floats) -> float:
    """The largest difference between the scores of the graph and of the estimator.

    Raises:
        TrainingError: it is above `PARITY`, or a score is not finite.
    """
    if not np.isfinite(scores).all():
        raise TrainingError("the ONNX graph answers NaN or infinite")
    most = float(np.abs(scores - estimated).max(initial=0.0))
    if most > PARITY:
        raise TrainingError(
            f"the ONNX graph differs from the model by {most:.3g} on {int((np.abs(scores - estimated) > PARITY).sum())} "
            f"of {len(scores)} held-out rows; {PARITY:g} is allowed"
        )
    return most
