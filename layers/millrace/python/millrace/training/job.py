"""A training job: reads a channel, trains every algorithm, and leaves the models that may be registered.

The contract is that of SageMaker's training container, so that the same job runs there and on a laptop: folders by
`SM_CHANNEL_TRAIN`, `SM_MODEL_DIR` and `SM_OUTPUT_DIR`, hyperparameters as arguments, a reason in `<output>/failure`.
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html
"""

import argparse
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from millrace.core.errors import PermanentError
from millrace.model_registry import artifact, strict
from millrace.model_registry.package import EVALUATION
from millrace.training import onnx_graph, rows
from millrace.training.algorithms import ALGORITHMS, Algorithm
from millrace.training.dataset import Floats, LabelledRows, judged_on
from millrace.training.errors import TrainingError
from millrace.training.metrics import gate_text
from millrace.training.model_card import card, golden_rows
from millrace.training.onnx_export import export
from millrace.training.rows import Channel
from millrace.training.train import SEED, evaluate, train

# The versions of these are in each model's card.
LIBRARIES = ("scikit-learn", "numpy", "scipy", "skl2onnx", "onnx", "onnxruntime")


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the job: 0 when there is a model, passed or not; 1 when there is none, the reason in `failure` and on stderr."""
    options = _parser().parse_args(arguments)
    output = Path(environ.get("SM_OUTPUT_DIR", "/opt/ml/output"))
    models = Path(environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    _clear(models, output)
    try:
        channel = rows.read(Path(environ.get("SM_CHANNEL_TRAIN", "/opt/ml/input/data/train")))
        entries = [_try(algorithm, channel, models, options.seed, options.jobs) for algorithm in ALGORITHMS]
        if all("error" in entry for entry in entries):
            raise TrainingError("; ".join(f"{entry['name']}: {entry['error']}" for entry in entries))
    except PermanentError as error:
        reason = " ".join(str(error).split())
        output.mkdir(parents=True, exist_ok=True)
        (output / "failure").write_text(reason)
        _log(reason)
        return 1
    # Last: a folder with this file is complete.
    (models / EVALUATION).write_bytes(orjson.dumps({"models": entries}, option=orjson.OPT_INDENT_2))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Trains, judges and exports the fraud models of one channel."
    )
    parser.add_argument("--seed", type=int, default=SEED, help="of every random choice")
    parser.add_argument("--jobs", type=_cores, default=os.cpu_count() or 1, help="processor cores")
    return parser


def _cores(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a job needs a core")
    return number


def _clear(models: Path, output: Path) -> None:
    """Removes what a killed attempt of the same job left."""
    for name in (algorithm.name for algorithm in ALGORITHMS):
        shutil.rmtree(models / name, ignore_errors=True)
    (models / EVALUATION).unlink(missing_ok=True)
    (output / "failure").unlink(missing_ok=True)


def _try(algorithm: Algorithm, channel: Channel, models: Path, seed: int, jobs: int) -> dict[str, Any]:
    """The model's entry of `evaluation.json`; an algorithm that fails does not stop the others."""
    try:
        return _make(algorithm, channel, models / algorithm.name, seed=seed, jobs=jobs)
    except PermanentError as error:
        _log(f"{algorithm.name}: {error}")
        return {"name": algorithm.name, "error": str(error)}


def _make(algorithm: Algorithm, channel: Channel, folder: Path, *, seed: int, jobs: int) -> dict[str, Any]:
    split, data = channel.request.days(), channel.data
    model = train(data, split, algorithm, seed=seed, jobs=jobs)
    onnx = export(model.estimator, len(model.names))
    held_out = data.within(split.test)
    furthest = onnx_graph.compare(onnx_graph.run(onnx, held_out.values), model.raw(held_out))

    def raw(scored: LabelledRows) -> Floats:
        return onnx_graph.run(onnx, scored.values)

    # The graph itself is judged, not the estimator that it was made of.
    evaluation = evaluate(model, data, split, raw=raw)
    judged = judged_on(data, split)
    made = card(
        channel.request,
        model,
        evaluation,
        onnx,
        data=data,
        golden=golden_rows(judged, raw(judged), model),
        libraries={name: version(name) for name in LIBRARIES},
    )
    artifact.verify_golden(made, onnx_graph.run(onnx, np.array([row.inputs for row in made.golden])).tolist())
    folder.mkdir(parents=True)
    (folder / artifact.ONNX_FILE).write_bytes(onnx)
    (folder / artifact.CARD_FILE).write_bytes(artifact.write(made))
    _log(
        f"{algorithm.name}: {dict(model.settings)}; {', '.join(map(gate_text, evaluation.gates))}; the graph is {len(onnx)} bytes "
        f"and off by {furthest:.1e} at most"
    )
    return {
        "name": algorithm.name,
        "metrics": evaluation.metrics.to_json(),
        "gates": [strict.encode(gate) for gate in evaluation.gates],
        "passed": evaluation.passed,
    }


def _log(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
