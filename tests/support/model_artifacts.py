"""What a training leaves, made by hand: cards, graphs that nobody runs, and the archive of both."""

import io
import tarfile
from collections.abc import Iterable
from typing import Any

import orjson

from millrace.model_registry import artifact
from millrace.model_registry.artifact import ModelCard

ORG, RUN = "org_acme", "train_model-org_acme-20261122-1"
FEATURES = ("transaction_features:amount", "merchant_features:fraud_share_7d")


def graph(algorithm: str, run: str = RUN) -> bytes:
    """An ONNX message that stands for a graph and has none of its nodes: those of each run and algorithm are others."""
    name = f"graph of {algorithm} in {run}".encode()
    named = bytes((2 << 3 | 2, len(name))) + name
    return bytes((7 << 3 | 2, len(named))) + named


def card(
    algorithm: str = "random_forest",
    *,
    org: str = ORG,
    run: str = RUN,
    f1: float = 0.86,
    recall: float = 0.84,
    **changed: Any,
) -> ModelCard:
    """A card whose gates follow from its figures."""
    figures = {"precision": 0.88, "recall": recall, "f1": f1}
    least = {"precision": 0.80, "recall": 0.70, "f1": 0.75}
    onnx = graph(algorithm, run)
    document = {
        "model": "fraud",
        "algorithm": algorithm,
        "org": org,
        "features": list(FEATURES),
        "views": {
            view: {"version": "1.0.0", "digest": "ab"}
            for view in ("transaction_features", "merchant_features")
        },
        "calibration": {"slope": 1.0, "intercept": 0.0},
        "threshold": 0.4,
        "onnx_sha256": artifact.fingerprint(onnx),
        "onnx_bytes": len(onnx),
        "golden": [{"inputs": [float(number), 0.5], "score": 0.25 * number} for number in range(3)],
        "metrics": {**figures, "auc_roc": 0.95},
        "gates": [
            {"name": name, "least": least[name], "value": value, "passed": value >= least[name]}
            for name, value in figures.items()
        ],
        "importances": {FEATURES[0]: 0.3},
        "split": {
            "train": ["2026-10-10", "2026-11-06"],
            "delayDays": 7,
            "test": ["2026-11-14", "2026-11-20"],
        },
        "rows": {"train": 900, "test": 300, "frauds": {"train": 40, "test": 12}},
        "sources": {"marts.fct_transactions": 7214},
        "data": "lake",
        "run_id": run,
        "code_version": "1.0",
        "libraries": {"scikit-learn": "1.9.1"},
    }
    return ModelCard.from_json({**document, **changed})


def archive(cards: Iterable[ModelCard], failures: dict[str, str] | None = None) -> bytes:
    """`model.tar.gz` as the training job leaves it."""
    files: dict[str, bytes] = {}
    messages: list[dict[str, Any]] = []
    for one in cards:
        files[f"{one.algorithm}/model.json"] = artifact.write(one)
        files[f"{one.algorithm}/model.onnx"] = graph(one.algorithm, one.run_id)
        messages.append(
            {"name": one.algorithm, "metrics": dict(one.metrics), "gates": [], "passed": one.passed}
        )
    messages += [{"name": name, "error": error} for name, error in (failures or {}).items()]
    files["evaluation.json"] = orjson.dumps({"models": messages})
    return packed(files)


def packed(files: dict[str, bytes]) -> bytes:
    """A gzipped tar."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return made.getvalue()
