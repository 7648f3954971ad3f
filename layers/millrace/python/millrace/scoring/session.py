"""An ONNX graph ready to score.

Only this module imports numpy and onnxruntime, and it is imported when a model is loaded: a tenant without one costs no cold
start.
"""

import numpy as np
import onnxruntime

from millrace.model_registry.artifact import ArtifactError

_INPUT, _OUTPUT = "X", "score"
_OUTPUTS = (_OUTPUT,)
# The product of a single row is summed in another order than that of many, and its last bits differ. With two rows at least,
# a row's score does not depend on the rows beside it, and a decision's record alone reproduces its bytes.
FEWEST = 2
_ERRORS_ONLY = 3


class Session:
    """A graph and the buffer of its input rows. One caller at a time.

    Attributes:
        buffer: rows of float32, little endian, one after the other; the owner fills it, then calls `scores`.
    """

    def __init__(self, onnx: bytes, width: int) -> None:
        """Loads a graph of `width` columns.

        Raises:
            ArtifactError: it is not a graph that takes `X` [n, width] of float32 and answers `score`.
        """
        options = onnxruntime.SessionOptions()
        # More threads would wake for microseconds of work, and sum in an order of their own.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # onnxruntime's error classes have no other common base.
            raise ArtifactError(f"model.onnx is no graph: {_first_line(error)}") from error
        self._check(width)
        self._width, self._run = width, self._session.run
        self.buffer = bytearray()
        self.room(FEWEST)

    def _check(self, width: int) -> None:
        inputs = [(one.name, one.type, one.shape[1:]) for one in self._session.get_inputs()]
        if inputs != [(_INPUT, "tensor(float)", [width])]:
            raise ArtifactError(f"model.onnx takes {inputs}, not {width} columns of float32 named {_INPUT}")
        outputs = {one.name: one.type for one in self._session.get_outputs()}
        if outputs.get(_OUTPUT) != "tensor(float)":
            raise ArtifactError(f"model.onnx answers {outputs}, and no float named {_OUTPUT}")

    def room(self, rows: int) -> bytearray:
        """The buffer, of at least this many rows; a larger buffer is a new one and does not keep what was written."""
        needed = 4 * self._width * max(rows, FEWEST)
        if len(self.buffer) < needed:
            self.buffer = bytearray(needed)
            self._rows = np.frombuffer(self.buffer, "<f4").reshape(-1, self._width)
        return self.buffer

    def scores(self, rows: int) -> list[float]:
        """The graph's scores of the first rows of the buffer.

        Raises:
            ArtifactError: the graph fails, or does not give one score for each row.
        """
        if not rows:
            return []
        count = max(rows, FEWEST)
        try:
            (answer,) = self._run(_OUTPUTS, {_INPUT: self._rows[:count]})
        except Exception as error:
            raise ArtifactError(f"model.onnx fails: {_first_line(error)}") from error
        scores: list[float] = answer.ravel().tolist()
        if len(scores) != count:
            raise ArtifactError(f"model.onnx gives {len(scores)} answers to {count} rows")
        return scores[:rows]


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:300]
