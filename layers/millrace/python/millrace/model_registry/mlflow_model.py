"""A version as MLflow's clients load it: the files of a model with the flavors `onnx` and `python_function`.

The graph in it answers the calibrated probability, so `mlflow.onnx.load_model` and `mlflow.pyfunc.load_model` give what the
platform's scoring gives. Input columns are the features' names, `view__feature`.
"""

from collections.abc import Mapping

import orjson

from millrace.model_registry.artifact import CARD_FILE, ONNX_FILE, ModelCard
from millrace.model_registry.calibrated_graph import OUTPUT, calibrated
from millrace.model_registry.rows import Version

FOLDER = "model"
DESCRIPTION = "MLmodel"
# What `mlflow models serve` installs. Older and newer ones read the graph as well.
REQUIREMENTS = "mlflow\nonnx\nonnxruntime\npandas\n"


def files(version: Version, card: ModelCard, text: bytes, onnx: bytes, run_id: str) -> Mapping[str, bytes]:
    """Name → content of the model's files; `model.json` is the card as it was registered.

    Raises:
        ArtifactError: the graph cannot be read.
    """
    columns = [
        {"type": "double", "name": name.replace(":", "__"), "required": True} for name in card.features
    ]
    providers = ["CPUExecutionProvider"]
    # YAML reads JSON. Schemas are texts in it.
    description = {
        "artifact_path": FOLDER,
        "run_id": run_id,
        "utc_time_created": version.registered_at.replace("T", " ").removesuffix("Z"),
        "signature": {
            "inputs": orjson.dumps(columns).decode(),
            "outputs": orjson.dumps([{"type": "double", "name": OUTPUT, "required": True}]).decode(),
            "params": None,
        },
        "metadata": {"threshold": card.threshold, "version": f"{version.model}/{version.version}"},
        "flavors": {
            "onnx": {"data": ONNX_FILE, "onnx_version": "1", "providers": providers, "code": None},
            "python_function": {
                "loader_module": "mlflow.onnx",
                "data": ONNX_FILE,
                "env": {"virtualenv": "python_env.yaml"},
            },
        },
    }
    return {
        CARD_FILE: text,
        ONNX_FILE: calibrated(onnx, card.calibration),
        "requirements.txt": REQUIREMENTS.encode(),
        "python_env.yaml": b"python: 3.13\ndependencies: [-r requirements.txt]\n",
        DESCRIPTION: orjson.dumps(description, option=orjson.OPT_INDENT_2),
    }
