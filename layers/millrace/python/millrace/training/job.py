"""A training job: reads a channel, makes every kind of model, leaves what may be registered.

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
from millrace.training import channel, onnx_graph
from millrace.training.algorithms import ALGORITHMS, Algorithm
from millrace.training.channel import Channel
from millrace.training.dataset import Dataset, Floats, judged_on
from millrace.training.errors import TrainingError
from millrace.training.model_card import card, gate_results, golden_rows
from millrace.training.onnx_export import export
from millrace.training.train import SEED, evaluate, train

# What a model depends on, each in its card.
LIBRARIES = ("scikit-learn", "numpy", "scipy", "skl2onnx", "onnx", "onnxruntime")


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the job: 0 when there is a model, passed or not; 1 when there is none, the reason in `failure` and on stderr."""
    asked = _parser().parse_args(arguments)
    output = Path(environ.get("SM_OUTPUT_DIR", "/opt/ml/output"))
    models = Path(environ.get("SM_MODEL_DIR", "/opt/ml/model"))
    _clear(models, output)
    try:
        given = channel.read(Path(environ.get("SM_CHANNEL_TRAIN", "/opt/ml/input/data/train")))
        entries = [_try(algorithm, given, models, asked.seed, asked.jobs) for algorithm in ALGORITHMS]
        if all("error" in entry for entry in entries):
            raise TrainingError("; ".join(f"{entry['name']}: {entry['error']}" for entry in entries))
    except PermanentError as error:
        reason = " ".join(str(error).split())
        output.mkdir(parents=True, exist_ok=True)
        (output / "failure").write_text(reason)
        _say(reason)
        return 1
    # The last of all: what has it is whole.
    (models / EVALUATION).write_bytes(orjson.dumps({"models": entries}, option=orjson.OPT_INDENT_2))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Trains, judges and exports the fraud models of one channel."
    )
    parser.add_argument("--seed", type=int, default=SEED, help="of everything that is drawn")
    parser.add_argument("--jobs", type=_cores, default=os.cpu_count() or 1, help="processor cores")
    return parser


def _cores(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("a job needs a core")
    return number


def _clear(models: Path, output: Path) -> None:
    """A job that was killed and runs again must not take what it left for its own."""
    for name in (algorithm.name for algorithm in ALGORITHMS):
        shutil.rmtree(models / name, ignore_errors=True)
    (models / EVALUATION).unlink(missing_ok=True)
    (output / "failure").unlink(missing_ok=True)


def _try(algorithm: Algorithm, given: Channel, models: Path, seed: int, jobs: int) -> dict[str, Any]:
    """The model's line of `evaluation.json`; one that cannot be made does not stop the others."""
    try:
        return _make(algorithm, given, models / algorithm.name, seed=seed, jobs=jobs)
    except PermanentError as error:
        _say(f"{algorithm.name}: {error}")
        return {"name": algorithm.name, "error": str(error)}


def _make(algorithm: Algorithm, given: Channel, folder: Path, *, seed: int, jobs: int) -> dict[str, Any]:
    split, data = given.order.days(), given.data
    model = train(data, split, algorithm, seed=seed, jobs=jobs)
    onnx = export(model.estimator, len(model.names))
    held_out = data.within(split.test)
    furthest = onnx_graph.compare(onnx_graph.run(onnx, held_out.values), model.raw(held_out))

    def raw(rows: Dataset) -> Floats:
        return onnx_graph.run(onnx, rows.values)

    # The artifact itself is judged, not what it was made of.
    evaluation = evaluate(model, data, split, raw=raw)
    judged = judged_on(data, split)
    made = card(
        given.order,
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
    _say(
        f"{algorithm.name}: {dict(model.settings)}; {', '.join(map(str, evaluation.gates))}; the graph is {len(onnx)} bytes "
        f"and off by {furthest:.1e} at most"
    )
    return {
        "name": algorithm.name,
        "metrics": evaluation.metrics.to_json(),
        "gates": [strict.encode(gate) for gate in gate_results(evaluation)],
        "passed": evaluation.passed,
    }


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
