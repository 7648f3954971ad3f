"""An ONNX graph ready to answer.

numpy and onnxruntime are imported here and nowhere else, and this is imported when a model is loaded: a tenant without one
costs no cold start.
"""

import numpy as np
import onnxruntime

from millrace.model_registry.artifact import ArtifactError

_INPUT, _OUTPUT = "X", "score"
_OUTPUTS = (_OUTPUT,)
# A product of one row is added up in another order than that of many, and its last bits differ: with two at least, a row's
# answer does not depend on who it is asked with, and the record's bytes can be made again from the record alone.
FEWEST = 2
_ERRORS_ONLY = 3


class Session:
    """A graph and the rows it is asked about. One caller at a time.

    Attributes:
        buffer: rows of float32, little endian, one after the other; its owner writes here and then asks.
    """

    def __init__(self, onnx: bytes, width: int) -> None:
        """Loads a graph of `width` columns.

        Raises:
            ArtifactError: it is no graph that takes `X` [n, width] of float32 and answers `score`.
        """
        options = onnxruntime.SessionOptions()
        # More threads would wake for microseconds of work, and add up in an order of their own.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # The classes of onnxruntime's errors have no common root but this.
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
        """The buffer, of at least so many rows; a larger one is a new one, without what was written."""
        needed = 4 * self._width * max(rows, FEWEST)
        if len(self.buffer) < needed:
            self.buffer = bytearray(needed)
            self._rows = np.frombuffer(self.buffer, "<f4").reshape(-1, self._width)
        return self.buffer

    def scores(self, rows: int) -> list[float]:
        """The graph's answers to the first rows of the buffer.

        Raises:
            ArtifactError: it fails on them, or does not answer each.
        """
        if not rows:
            return []
        asked = max(rows, FEWEST)
        try:
            (answer,) = self._run(_OUTPUTS, {_INPUT: self._rows[:asked]})
        except Exception as error:
            raise ArtifactError(f"model.onnx fails: {_first_line(error)}") from error
        found: list[float] = answer.ravel().tolist()
        if len(found) != asked:
            raise ArtifactError(f"model.onnx gives {len(found)} answers to {asked} rows")
        return found[:rows]


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:300]
