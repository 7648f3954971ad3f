"""Logs the versions in FOLDER as the platform does, and loads them with MLflow's own calls."""

import json
import os
import sys
from pathlib import Path

import mlflow
import numpy as np
import onnxruntime
import pandas as pd

sys.path.insert(0, os.environ["CODE"])
from millrace.model_registry import artifact
from millrace.model_registry.rows import Version
from millrace.model_registry.tracking import MlflowTracker

folder = Path(os.environ["FOLDER"])
uri = f"sqlite:///{folder / 'mlflow.db'}"
os.chdir(folder)
tracker = MlflowTracker(uri, "local", probe=lambda _: None)
results = []
for version in json.loads((folder / "versions.json").read_text()):
    held = folder / version["version"]
    text, onnx = (held / "model.json").read_bytes(), (held / "model.onnx").read_bytes()
    one = Version(**version)
    results += [
        tracker.log(one, artifact.read(text), text, onnx),
        tracker.champion(one, artifact.read(text), text, onnx),
    ]

# From here on, what a user of MLflow writes.
mlflow.set_tracking_uri(uri)
name = "millrace-local-org_acme-fraud"
client = mlflow.MlflowClient()
champion = client.get_model_version_by_alias(name, "champion")
card = json.loads((folder / "00000002" / "model.json").read_text())
columns = [feature.replace(":", "__") for feature in card["features"]]
frame = pd.DataFrame([one["inputs"] for one in card["golden"]], columns=columns)


def pyfunc(where, rows):
    return mlflow.pyfunc.load_model(where).predict(rows)["probability"].tolist()


def onnx(where):
    session = onnxruntime.InferenceSession(mlflow.onnx.load_model(where).SerializeToString())
    return session.run(["probability"], {"X": frame.to_numpy(np.float32)})[0].tolist()


run, registered = f"runs:/{champion.run_id}/model", f"models:/{name}/{champion.version}"
answers = {
    "results": results,
    "versions": sorted(str(one.version) for one in client.search_model_versions(f"name = '{name}'")),
    "champion": [str(champion.version), champion.tags["millrace.version"]],
    "pyfunc": [pyfunc(where, frame) for where in (run, registered, f"models:/{name}@champion")],
    "onnx": [onnx(where) for where in (run, registered, f"models:/{name}@champion")],
    "columns in another order": pyfunc(registered, frame[columns[::-1]]),
    "threshold": mlflow.models.get_model_info(registered).metadata["threshold"],
}
try:
    pyfunc(registered, frame[columns[1:]])
except mlflow.exceptions.MlflowException as error:
    answers["missing"] = str(error)
print(json.dumps(answers))
