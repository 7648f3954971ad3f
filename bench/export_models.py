"""Trains the platform's three kinds of models on made-up rows and writes each twice: pickled, and as its ONNX graph.

Run by bench/served_models.py in a process of its own, with the packages of the layer `training`: skl2onnx is nowhere else.
"""

import pickle
import sys
from pathlib import Path

import numpy as np

from millrace.training.algorithms import ALGORITHMS
from millrace.training.onnx_export import export

ROWS, SEED = 20_000, 9


def main(folder: Path, columns: int) -> None:
    """Writes `<algorithm>.pkl`, `<algorithm>.onnx` and `rows.npy` (float32, as what a model is trained on)."""
    rng = np.random.default_rng(SEED)
    rows = rng.lognormal(0, 1.5, (ROWS, columns)).astype(np.float32)
    labels = ((rows[:, 0] > 8) | (rng.random(ROWS) < 0.01)).astype(np.int64)
    np.save(folder / "rows.npy", rows)
    for algorithm in ALGORITHMS:
        # The last of its settings is the largest model.
        made = algorithm.fit(algorithm.candidates[-1], rows.astype(np.float64), labels, seed=SEED, jobs=1)
        (folder / f"{algorithm.name}.pkl").write_bytes(pickle.dumps(made))
        (folder / f"{algorithm.name}.onnx").write_bytes(export(made, columns))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
