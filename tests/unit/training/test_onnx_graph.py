"""Whether a graph says what its estimator said."""

import numpy as np
import pytest

from millrace.training import onnx_graph
from millrace.training.errors import TrainingError

SCORES = np.array([0.0, 0.2, 1.0])


def test_what_is_as_near_as_float32_is_the_same() -> None:
    assert onnx_graph.compare(SCORES, SCORES) == 0
    assert onnx_graph.compare(SCORES + 3e-7, SCORES) == pytest.approx(3e-7)
    assert onnx_graph.compare(SCORES[:0], SCORES[:0]) == 0


def test_one_row_that_differs_is_enough() -> None:
    other = SCORES.copy()
    other[1] += 2e-4
    with pytest.raises(TrainingError, match=r"by 0\.0002 on 1 of 3 held-out rows"):
        onnx_graph.compare(other, SCORES)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_no_number_is_refused(wrong: float) -> None:
    with pytest.raises(TrainingError, match="NaN or infinite"):
        onnx_graph.compare(np.array([wrong, 0.2, 1.0]), SCORES)
