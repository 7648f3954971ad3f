"""A script for Feast answers the same on Millrace, after its line of import has changed."""

import contextlib
import io
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto import mock_aws

from millrace.core import clock
from millrace.core.table import Table
from millrace.eventstore.tables import FeatureStore
from millrace.features.materialize import Materializer
from millrace.features.online_writer import OnlineWriter
from millrace.features.views import Feature, FeatureGroup, FeatureView, FeatureViews
from tests.interop.clients.environments import HERE, run_python

ORG, TABLE = "org_acme", "FeatureStore"
SCRIPT = HERE / "scripts" / "read_features.py"


def latest(name: str, kind: Any) -> Feature:
    return Feature(name, "latest", name, None, 0, None, kind, "-")


GROUP = FeatureGroup(
    *("silver.order_v1", "user_id", "event_time", (), 0, None),
    (latest("amount", "double"), latest("items", "long"), latest("currency", "string")),
)
ORDERS = FeatureView("orders", "1.0.0", "d", "-", "-", "user", "user_id", (GROUP,), (), ())


def orders() -> pa.Table:
    rows = [
        (1, datetime(2026, 3, 1, 10, tzinfo=UTC), 10.5, 1, "EUR"),
        (1, datetime(2026, 3, 1, 11, tzinfo=UTC), 20.25, 2, "USD"),
        (2, datetime(2026, 3, 1, 9, tzinfo=UTC), 5.0, 7, "EUR"),
    ]
    names = ("user_id", "event_time", "amount", "items", "currency")
    kinds = (pa.int64(), pa.timestamp("us", "UTC"), pa.float64(), pa.int64(), pa.string())
    columns = zip(names, kinds, zip(*rows, strict=True), strict=True)
    return pa.table({name: pa.array(values, kind) for name, kind, values in columns})


def on_millrace(repo: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the script prints on a repo of Millrace's, whose hourly run has been."""
    (repo / "bundle").mkdir(parents=True)
    document = {
        "views": [asdict(ORDERS)],
        "services": {"fraud": [f"orders:{one}" for one in ORDERS.features]},
    }
    (repo / "bundle" / "features.json").write_bytes(orjson.dumps(document))
    (repo / "feature_store.yaml").write_text(
        f"project: {ORG}\nregistry: bundle\noffline_store: {{path: lake.duckdb}}\nonline_store: {{table: {TABLE}}}\n"
    )
    monkeypatch.setenv("REPO", str(repo))
    with mock_aws(), io.StringIO() as printed:
        dynamodb = boto3.client("dynamodb")
        FeatureStore.create_table(billing_mode="PAY_PER_REQUEST")
        with duckdb.connect(repo / "lake.duckdb") as lake:
            given = orders()
            lake.execute("CREATE SCHEMA silver")
            lake.register("given", given)
            lake.execute("CREATE TABLE silver.order_v1 AS FROM given")
            Materializer(
                lake,
                FeatureViews([ORDERS]),
                OnlineWriter(Table(dynamodb, TABLE), in_flight=4),
                lambda *names: str(repo / f"{'-'.join(names)}.parquet"),
            ).materialize(ORG, "run", clock.utc_text(clock.now()))
        script = SCRIPT.read_text().replace(
            "from feast import FeatureStore", "from millrace.features.store import FeatureStore"
        )
        with contextlib.redirect_stdout(printed):
            exec(compile(script, str(SCRIPT), "exec"), {"__name__": "__main__"})
        return json.loads(printed.getvalue())


def test_the_same_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(orders(), tmp_path / "orders.parquet")
    (tmp_path / "feast").mkdir()
    theirs = run_python("feast", REPO=str(tmp_path / "feast"), DATA=str(tmp_path / "orders.parquet"))
    ours = on_millrace(tmp_path / "millrace", monkeypatch)
    assert ours["by row"] == {"user_id": [1, 3], "amount": [20.25, None], "currency": ["USD", None]}
    assert ours == theirs
