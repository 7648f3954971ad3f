"""A fitted estimator as an ONNX graph, and what the graph says. Needs skl2onnx and onnxruntime: training only."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs

from millrace.models.dataset import Floats
from millrace.models.errors import TrainingError

INPUT, OUTPUT = "X", "score"
# How far the graph may be from the estimator on any row.
PARITY = 1e-4
_PROBABILITIES, _FRAUD = "probabilities", "fraud_class"


def export(estimator: Any, columns: int) -> bytes:
    """The graph: `X` float32 [n, columns] to `score` float32 [n], the probability of fraud before calibration.

    Args:
        estimator: fitted, of scikit-learn, with the classes 0 and 1.
        columns: how many features it takes.

    Raises:
        TrainingError: it cannot be written as a graph.
    """
    if list(estimator.classes_) != [0, 1]:
        raise TrainingError(f"the model knows the classes {list(estimator.classes_)}, not 0 and 1")
    sample = np.zeros((1, columns), dtype=np.float32)
    both = to_onnx(estimator, sample, options={"zipmap": False}, name="fraud")
    model = select_model_inputs_outputs(both, outputs=[_PROBABILITIES])
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array(1, dtype=np.int64), _FRAUD))
    graph.node.append(helper.make_node("Gather", [_PROBABILITIES, _FRAUD], [OUTPUT], axis=1))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None]))
    # Cutting the graph names the set of operators once more.
    sets = {one.domain: one.version for one in model.opset_import}
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in sets.items())
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def run(onnx: bytes, values: Floats) -> Floats:
    """What a graph says of rows, on one thread.

    Args:
        onnx: the graph.
        values: rows x columns, as fine as float32.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    answers: Sequence[Any] = session.run([OUTPUT], {INPUT: values.astype(np.float32)})
    scores: Floats = np.asarray(answers[0], dtype=np.float64).reshape(-1)
    return scores


def compare(scores: Floats, estimated: Floats) -> float:
    """By how much the graph and the estimator differ at most.

    Raises:
        TrainingError: by more than `PARITY`, or an answer is no number.
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
