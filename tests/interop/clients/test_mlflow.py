"""MLflow's own calls load what the platform logged, and answer the probability that the platform's scoring gives."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from millrace.features import views
from millrace.model_registry import artifact, register
from millrace.model_registry.package import PackagedModel
from tests.interop.clients.environments import ROOT, run_python
from tests.support import champions


def test_models_and_the_champion(bundle: Path, tmp_path: Path) -> None:
    every = views.load(bundle)
    # Two versions with other calibrations; the newer one is the champion.
    made = [champions.card(every, calibration={"slope": slope, "intercept": -1.5}) for slope in (1.0, 0.6)]
    rows = []
    for number, card in enumerate(made, 1):
        trained = PackagedModel(card, artifact.write(card), champions.graph())
        version = register._row(trained, number, "2026-11-22T03:00:00.000Z")
        folder = tmp_path / version.version
        folder.mkdir()
        (folder / "model.json").write_bytes(trained.text)
        (folder / "model.onnx").write_bytes(trained.onnx)
        rows.append(asdict(replace(version, gates=())))
    (tmp_path / "versions.json").write_text(json.dumps(rows))
    answers = run_python("mlflow", FOLDER=str(tmp_path), CODE=str(ROOT / "layers" / "millrace" / "python"))
    assert answers["results"] == ["logged"] * 4
    assert answers["versions"] == ["1", "2"]
    assert answers["champion"] == ["2", "fraud/00000002"]
    scores = [one.score for one in made[1].golden]
    for answer in (*answers["pyfunc"], *answers["onnx"], answers["columns in another order"]):
        assert answer == pytest.approx(scores, abs=artifact.TOLERANCE)
    assert answers["threshold"] == made[1].threshold
    assert "transaction_features__amount" in answers["missing"]
