"""A fitted estimator as an ONNX graph. Needs skl2onnx, which only the training job has."""

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs

from millrace.training.errors import TrainingError
from millrace.training.onnx_graph import OUTPUT

_PROBABILITIES, _FRAUD = "probabilities", "fraud_class"


def export(estimator: Any, columns: int) -> bytes:
    """The graph: `X` float32 [n, columns] to `score` float32 [n], the probability of fraud before calibration.

    Args:
        estimator: fitted, of scikit-learn, with the classes 0 and 1.
        columns: how many features it takes.

    Raises:
        TrainingError: its classes are not 0 and 1.
    """
    if list(estimator.classes_) != [0, 1]:
        raise TrainingError(f"the model has the classes {list(estimator.classes_)}, not 0 and 1")
    sample = np.zeros((1, columns), dtype=np.float32)
    both = to_onnx(estimator, sample, options={"zipmap": False}, name="fraud")
    model = select_model_inputs_outputs(both, outputs=[_PROBABILITIES])
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array(1, dtype=np.int64), _FRAUD))
    graph.node.append(helper.make_node("Gather", [_PROBABILITIES, _FRAUD], [OUTPUT], axis=1))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None]))
    # Cutting the graph lists the operator set a second time.
    sets = {one.domain: one.version for one in model.opset_import}
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in sets.items())
    content: bytes = model.SerializeToString(deterministic=True)
    return content
