"""A made-up training channel: fraud is where two features are large, and one says nothing."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from layers import build
from layers.build import ROOT
from millrace.training.dataset import DAY_US, number

START = date(2018, 7, 1)
FEATURES = ("user_features:first", "user_features:second", "merchant_features:noise")
NAMES = tuple(reference.replace(":", "__") for reference in FEATURES)


def day(offset: int) -> str:
    return (START + timedelta(days=offset)).isoformat()


def request(**changed: Any) -> dict[str, Any]:
    made = {
        "runId": "train_model-shop_a-1",
        "org": "shop_a",
        "model": "fraud",
        "features": list(FEATURES),
        "views": {
            "user_features": {"version": "1.0.0", "digest": "ab"},
            "merchant_features": {"version": "1.0.0", "digest": "cd"},
        },
        "split": {"train": [day(21), day(27)], "delayDays": 7, "test": [day(35), day(41)]},
        "sources": {"marts.fct_transactions": 7},
        "data": "lake",
        "codeVersion": "0.1.0",
    }
    return {**made, **changed}


def columns(seed: int = 1, *, rows: int = 4200) -> dict[str, Any]:
    drawn = np.random.default_rng(seed)
    values = drawn.normal(size=(rows, 3))
    moments = np.sort(drawn.integers(number(START) * DAY_US, (number(START) + 42) * DAY_US, rows))
    return {
        **{name: values[:, place] for place, name in enumerate(NAMES)},
        "is_fraud": values[:, 0] + values[:, 1] > 2.6,
        # Each its own customer: nobody is known to be compromised.
        "user_id": np.arange(rows),
        "event_timestamp": moments,
    }


def write(folder: Path, made: dict[str, Any] | None = None, document: dict[str, Any] | None = None) -> Path:
    """Writes a channel; `made` are columns as of `columns`, None ones left out."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {name: column for name, column in (made or columns()).items() if column is not None}
    kept["event_timestamp"] = pa.array(kept["event_timestamp"], pa.timestamp("us", tz="UTC"))
    pq.write_table(pa.table(kept), folder / "rows.parquet")
    (folder / "training.json").write_bytes(orjson.dumps(document or request()))
    return folder


# Compiled files go here, and not into the layers that are deployed.
COMPILED = ROOT / ".local" / "pycache"


def libraries() -> list[str]:
    """The paths of what the container installs. Builds what is not built, as `make up` does."""
    try:
        layers = [build.install(name, "local") for name in ("runtime", "lake", "onnx", "training")]
    except build.BuildError as error:
        pytest.skip(f"{error}; the layers of training cannot be built here")
    return [str(layer.path / "python") for layer in layers]
