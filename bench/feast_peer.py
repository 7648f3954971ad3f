"""Feast's point-in-time join, run in an environment of its own: `python feast_peer.py FOLDER STORE`.

FOLDER holds `source.parquet` and `entities.parquet` as bench/p15_point_in_time.py wrote them; the answer is written beside them,
and the last line is JSON with the seconds of processor time of the quickest of three calls.
"""

import json
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.types import Float64, String
from feast.value_type import ValueType

ROUNDS = 3


def main(folder: Path, kind: str) -> None:
    """Applies one view, asks three times, keeps the quickest."""
    config = RepoConfig(
        project="p15",
        provider="local",
        registry=str(folder / f"registry-{kind}.db"),
        offline_store={"type": kind},
        online_store={"type": "sqlite", "path": str(folder / f"online-{kind}.db")},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    item = Entity(name="item", join_keys=["item_id"], value_type=ValueType.STRING)
    source = FileSource(path=str(folder / "source.parquet"), timestamp_field="happened")
    view = FeatureView(
        name="item",
        entities=[item],
        ttl=timedelta(days=3650),
        schema=[
            Field(name="item_id", dtype=String),
            Field(name="price", dtype=Float64),
            Field(name="category", dtype=String),
        ],
        source=source,
    )
    store.apply([item, view])
    frame = pd.read_parquet(folder / "entities.parquet")
    seconds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        answer: Any = store.get_historical_features(frame, ["item:price", "item:category"]).to_df()
        seconds.append(time.process_time() - started)
    answer.to_parquet(folder / f"feast-{kind}.parquet")
    sys.stdout.write(json.dumps({"seconds": min(seconds), "rows": len(answer)}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
