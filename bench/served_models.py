"""Models as they are served, for the goals that ask one: trained and exported by the layer `training`, loaded as a function does.

Made-up rows, but the real features: as many columns, the real order, the real derived expressions.
"""

import os
import pickle
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from layers import build
from millrace.features import views as feature_views
from millrace.model_registry import artifact
from millrace.model_registry.artifact import ModelCard
from millrace.model_registry.files import Artifact
from millrace.model_registry.rows import Alias
from millrace.scoring.champion import Champion, Model
from millrace.training.channel import VIEWS
from tests.support import champions

HERE = Path(__file__).parent
ORG, VERSION = "org_acme", "00000001"
GOLDEN = 4
MINUTES = 10
# Every view that is read for VIEWS.
READ = (*VIEWS, "user_features", "user_spending")


class Trained(NamedTuple):
    """A model in both forms, and rows that it was trained on (float32)."""

    algorithm: str
    estimator: Any
    onnx: bytes
    rows: Any


def features() -> tuple[str, ...]:
    """What the fraud model is told."""
    views = feature_views.load()
    return tuple(f"{name}:{one}" for name in VIEWS for one in views.view(name).features)


@cache
def trained() -> tuple[Trained, ...]:
    """All three kinds.

    Raises:
        BuildError: the layer `training` cannot be built here.
    """
    layer = build.install("training", "local")
    path = [str(layer.path / "python"), str(build.SOURCE)]
    with TemporaryDirectory() as made:
        folder = Path(made)
        subprocess.run(
            [sys.executable, str(HERE / "export_models.py"), made, str(len(features()))],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
            check=True,
            timeout=60 * MINUTES,
        )
        rows = np.load(folder / "rows.npy")
        return tuple(
            Trained(
                algorithm,
                # Written by our own process a moment ago.
                pickle.loads((folder / f"{algorithm}.pkl").read_bytes()),  # noqa: S301
                (folder / f"{algorithm}.onnx").read_bytes(),
                rows,
            )
            for algorithm in artifact.ALGORITHMS
        )


def model(made: Trained) -> Model:
    """The artifact of a training, proven and loaded as a function loads it."""
    views = feature_views.load()
    shown = made.rows[:GOLDEN]
    scores = made.estimator.predict_proba(shown.astype(np.float64))[:, 1]
    card: ModelCard = champions.card(
        views,
        org=ORG,
        features=features(),
        read=READ,
        weights=[0.0] * len(features()),
        algorithm=made.algorithm,
        onnx_sha256=artifact.fingerprint(made.onnx),
        onnx_bytes=len(made.onnx),
        golden=[
            {"inputs": [float(value) for value in row], "score": float(score)}
            for row, score in zip(shown, scores, strict=True)
        ],
    )
    held = Artifact(artifact.write(card), made.onnx)
    return Model(held, artifact.fingerprint(held.card), org=ORG, version=VERSION)


class InForce:
    """A registry in which one tenant has one champion, that is complete online."""

    def __init__(self, made: Trained) -> None:
        self.champion = Champion(model(made), feature_views.load())

    def alias(self, org: str) -> Alias | None:
        """The champion's."""
        return champions.alias(self.champion.card_sha256, org=org, version=VERSION)

    def load(self, _: Alias) -> Champion:
        """The champion."""
        return self.champion

    def markers(self, champion: Champion) -> dict[str, Any]:
        """All views, complete until now."""
        now = datetime.now(UTC)
        return {source.view.name: champions.mark(source.view, now) for source in champion.columns.sources}
