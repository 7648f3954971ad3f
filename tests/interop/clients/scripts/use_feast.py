"""Applies a view over the file DATA to Feast in the folder REPO, and runs the script on it."""

import os
import runpy
from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource
from feast.types import Float64, Int64, String
from feast.value_type import ValueType

repo = Path(os.environ["REPO"])
(repo / "feature_store.yaml").write_text(
    "project: org_acme\nprovider: local\nregistry: registry.db\nentity_key_serialization_version: 3\n"
    "offline_store: {type: duckdb}\nonline_store: {type: sqlite, path: online.db}\n"
)
user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
orders = FeatureView(
    name="orders",
    entities=[user],
    ttl=timedelta(days=3650),
    schema=[
        Field(name="amount", dtype=Float64),
        Field(name="items", dtype=Int64),
        Field(name="currency", dtype=String),
    ],
    source=FileSource(path=os.environ["DATA"], timestamp_field="event_time"),
)
FeatureStore(repo_path=str(repo)).apply([user, orders, FeatureService(name="fraud", features=[orders])])
runpy.run_path(str(Path(__file__).with_name("read_features.py")), run_name="__main__")
