"""The graph that answers the calibrated probability: the same number as the platform's scoring."""

import random

import numpy as np
import onnx
import onnxruntime
import pytest

from millrace.model_registry.artifact import ArtifactError, Calibration
from millrace.model_registry.calibrated_graph import calibrated
from tests.support import champions


def answers(graph: bytes, output: str, rows: list[list[float]]) -> list[float]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_outputs()] == [output]
    (values,) = session.run([output], {"X": np.array(rows, np.float32)})
    return [float(value) for value in values.reshape(-1)]


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.37, -2.5), (40.0, 300.0)])
def test_it_is_the_platforms_probability(slope: float, intercept: float) -> None:
    rng = random.Random(7)
    rows = [[rng.lognormvariate(0, 3) for _ in champions.WEIGHTS] for _ in range(500)]
    # Scores of 0 and 1 have no logit of their own.
    rows += [[0.0] * 5, [-1e9] * 5, [1e9] * 5]
    calibration = Calibration(slope, intercept)
    made = calibrated(champions.graph(), calibration)
    onnx.checker.check_model(onnx.load_model_from_string(made), full_check=True)
    wanted = [calibration(score) for score in answers(champions.graph(), "score", rows)]
    assert answers(made, "probability", rows) == pytest.approx(wanted, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    "content", [b"", b"no graph", champions.graph()[:-1], b"\x3a\x7f", b"\x0b", b"\x3a\x02\x0a\x7f"]
)
def test_what_is_no_graph_is_refused(content: bytes) -> None:
    with pytest.raises(ArtifactError, match="not an ONNX graph"):
        calibrated(content, Calibration(1.0, 0.0))
