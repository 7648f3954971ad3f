"""The same for the steps of a run, on the emulator: what boto3, DuckDB and Arrow ask, the steps' roles allow."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import urllib3

from millrace.aggregates import registry as aggregate_registry
from millrace.aggregates.reads import TenantTiles
from millrace.archive.archive import Archive
from millrace.contracts import registry
from millrace.core import aws, clock
from millrace.core.consumer import Delivery
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import to_item
from tests.support.contracts import FILES, compiled
from tests.support.emulator import emulator, fresh, pointed_at
from tests.support.functions import function
from tests.support.machines import machine
from tests.support.raw_files import event
from tests.support.rights import BY_LAMBDA, Call, Recorder, Rights
from tests.support.s3_watch import watched
from tests.support.templates import templates

__all__ = ["emulator"]

STEPS = {
    "PlanRun": "plan_run",
    "TransformPartitions": "transform_partitions",
    "CommitTable": "commit_table",
    "PrepareTable": "prepare_table",
    "BuildTable": "build_table",
    "PinSources": "pin_sources",
    "MaterializeFeatures": "materialize_features",
    "PublishRun": "publish_run",
}
MAINTENANCE = {"MaintainTable": "maintain_table"}
SEALING = {"SealTiles": "seal_tiles"}
QUERY = "query_lake"
FUNCTIONS = (*STEPS.values(), *MAINTENANCE.values(), *SEALING.values(), QUERY)
# Of Lambda: what is asked of it is how much time is left.
CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)
DAYS = ("2026-11-19", "2026-11-20")
MISSED = "without it an object that is not there is refused instead of missed, and here all are there"
POISON = "only rows that cannot be typed are set aside, and these days have none"
RANGE = "only a run over a range of days looks for tenants by prefix"
AGAIN = "only a plan that was made already is read, by a retry"
GROUP = "the steps have reading, writing and their run's documents as groups; narrower is possible here"
BEATEN = "only a commit that another came before, or one of many versions, takes files away"
OLD = "only a table with old snapshots is committed and loses files, and these are new"
DAILY = "daily models read what hourly ones made, and these runs are hourly"
FAILING = "only a check that fails is an event, and here none does"
LEFT_OUT = "only a day that the run could not commit is kept with its errors, and here all land"
LINK = "whoever follows a link to a result reads by the right of who signed it"
CREATORS = "for callers who read rows of their own alone; here an operator asks"
THIRD = "only the third seal of a day deletes the blocks of the first"
UNUSED: dict[str, dict[Call, str]] = {
    "plan_run": {
        ("s3:ListBucket", "lake"): RANGE,
        ("s3:GetObject", "lake/runs/*"): AGAIN,
        ("glue:GetDatabase", "glue"): GROUP,
        ("glue:GetTable", "glue"): GROUP,
    },
    "commit_table": {
        ("glue:GetTables", "glue"): GROUP,
        ("s3:DeleteObject", "lake/curated/*"): BEATEN,
        ("s3:DeleteObject", "lake/processed/*"): BEATEN,
    },
    "prepare_table": {
        ("s3:ListBucket", "lake"): MISSED,
        ("glue:GetDatabase", "glue"): GROUP,
        ("glue:GetTables", "glue"): GROUP,
    },
    "pin_sources": {
        ("s3:ListBucket", "lake"): MISSED,
        ("glue:GetDatabase", "glue"): GROUP,
        ("glue:GetTables", "glue"): GROUP,
    },
    "materialize_features": {("s3:ListBucket", "lake"): MISSED},
    "query_lake": {
        ("glue:GetDatabase", "glue"): GROUP,
        ("s3:GetObject", "lake/query-results/*"): LINK,
        (
            "dynamodb:Query",
            "table/SubjectKeys/index/listed-index",
        ): "for callers of the API; here an operator asks, who sees all rows",
        ("dynamodb:BatchGetItem", "table/SubjectKeys"): CREATORS,
        ("kms:Decrypt", "tenant-key"): CREATORS,
        ("kms:GenerateDataKey", "tenant-key"): CREATORS,
        (
            "s3:PutObject",
            "lake/curated/anonymised/*",
        ): "of releases; no month here has ended, or is of ten people",
    },
    "seal_tiles": {
        ("s3:ListBucket", "lake"): MISSED,
        ("dynamodb:DeleteItem", "table/Analytics"): THIRD,
    },
    "maintain_table": {
        ("s3:GetObject", "lake/runs/*"): GROUP,
        ("s3:PutObject", "lake/runs/*"): GROUP,
        ("glue:CreateTable", "glue"): GROUP,
        ("glue:GetDatabase", "glue"): GROUP,
        ("glue:UpdateTable", "glue"): OLD,
        (
            "glue:GetTableOptimizer",
            "glue",
        ): "called for tables that Glue's optimizers keep, and these have none",
        ("s3:PutObject", "lake/curated/*"): OLD,
        ("s3:PutObject", "lake/processed/*"): OLD,
        ("s3:DeleteObject", "lake/curated/*"): OLD,
        ("s3:DeleteObject", "lake/processed/*"): OLD,
    },
    "transform_partitions": {
        ("s3:ListBucket", "lake"): MISSED,
        ("s3:PutObject", "lake/dead-letters/transform_partitions/*"): POISON,
    },
    "build_table": {("s3:ListBucket", "lake"): MISSED, ("s3:GetObject", "lake/curated/*"): DAILY},
    "publish_run": {
        ("s3:GetObject", "lake/dead-letters/transform_partitions/*"): POISON,
        ("dynamodb:PutItem", "table/Events"): FAILING,
        ("dynamodb:UpdateItem", "table/Metadata"): LEFT_OUT,
    },
}


def handler(stem: str, environ: dict[str, str], recorder: Recorder) -> Callable[[Any], Any]:
    """The real handler, each call in a copy of its own."""

    def invoke(payload: Any) -> Any:
        with function(stem, environ) as handler, recorder.of(stem):
            return handler(payload, CONTEXT)

    return invoke


@pytest.fixture(scope="module")
def recorded(bundle: Path, emulator: str) -> Iterator[dict[str, set[Call]]]:
    recorder = Recorder()
    with (
        pointed_at(emulator),
        recorder.installed(),
        watched(emulator, recorder.note) as s3,
        pytest.MonkeyPatch.context() as patch,
    ):
        lake = fresh(emulator)
        patch.setenv("AWS_ENDPOINT_URL_S3", s3)
        aws.client.cache_clear()
        environ = {
            **lake.environ,
            "MEMORY_MB": "1024",
            "EVENTS_TABLE": "Events",
            "FEATURE_STORE_TABLE": "FeatureStore",
            "ANALYTICS_TABLE": "Analytics",
        }
        make = partial(handler, environ=environ, recorder=recorder)
        archive = Archive(
            Objects(lake.s3, lake.bucket), Table(lake.dynamodb, "Metadata"), Codec(registry.load().dictionary)
        )
        steps = {name: make(stem) for name, stem in STEPS.items()}
        for number, day in enumerate(DAYS):
            archive.write(deliveries(day, number))
            done = machine("hourly_etl", steps).run(f"hourly_etl-20261121T1{number}-1")
            assert done.status == "SUCCEEDED", done.cause
        maintenance = {name: make(stem) for name, stem in MAINTENANCE.items()}
        done = machine("maintenance", maintenance).run("maintenance-20261121-1")
        assert done.status == "SUCCEEDED", done.cause
        sealing = {"PinSources": steps["PinSources"], "SealTiles": make("seal_tiles")}
        done = machine("seal_tiles", sealing).run("seal_tiles-20261121-1")
        assert done.status == "SUCCEEDED", done.cause
        aggregates = aggregate_registry.load()
        merchants = aggregates.by_name["transactions_by_merchant"]
        tiles = TenantTiles(
            Table(lake.dynamodb, "Analytics"), "org_acme", merchants, aggregates.types, clock.now()
        )
        start = clock.epoch(datetime(2026, 11, 20, tzinfo=UTC))
        counted = [by_key["terminal_7",][0] for by_key in tiles.between(start, start + 86_400).values()]
        assert sum(counted) == 20
        _query(make(QUERY))
        yield recorder.calls


def _query(invoke: Callable[[Any], Any]) -> None:
    """Queries of an operator: of raw, silver, a view between, marts, their past; with a file as the result; and cancelled."""

    def asked(sql: str, **how: Any) -> Any:
        return json.loads(invoke({"sql": sql, **how})["body"])

    orders = "silver.order_created_v1"
    for sql, rows in (
        (
            "SELECT event_type, count(*) FROM raw.events GROUP BY 1 ORDER BY 1",
            [["order.created", 40], ["transaction.created", 40]],
        ),
        (f"SELECT org_id, count(*), sum(total_amount) FROM {orders} GROUP BY 1", [["org_acme", 40, 399.6]]),
        ("SELECT count(*) FROM staging.stg_orders", [[40]]),
        (
            "SELECT count(*) FROM marts.fct_transactions f JOIN silver.transaction_created_v1 t USING (transaction_id)",
            [[40]],
        ),
        (f"SELECT count(*) FROM {orders} WHERE event_time >= '2026-11-25'", [[0]]),
        (
            "SELECT count(*) FROM raw.events WHERE event_time < '2026-11-20' AND event_type = 'order.created'",
            [[20]],
        ),
    ):
        assert asked(sql)["rows"] == rows, sql
    assert asked(f"SELECT count(*) FROM {orders}", org="org_globex")["rows"] == [[0]]
    then = asked(
        f"SELECT arg_min(snapshot, committed_at)::VARCHAR FROM lake.snapshots WHERE \"table\" = '{orders}'"
    )["rows"][0][0]
    assert asked(f"SELECT count(*) FROM {orders} AS OF {then}")["rows"] == [[20]]
    assert asked(f"SELECT count(*) FROM {orders} AS OF 5")["error"] == "sql"
    kept = asked("SELECT * FROM raw.events", format="parquet")
    assert (kept["rowCount"], "query-results/platform/" in kept["link"]) == (80, True)
    assert urllib3.request("GET", kept["link"]).status == 200
    assert json.loads(invoke({"cancel": "nothing"})["body"]) == {"cancelled": False}
    assert {"raw.events", orders, "staging.stg_orders"} <= {name for (name,) in asked("SHOW TABLES")["rows"]}


def deliveries(day: str, number: int) -> list[Delivery]:
    """Some orders and transactions of a day, as the log delivers them; one batch of each type."""
    rng, codec = random.Random(number), Codec(registry.load().dictionary)
    found = []
    for kind in ("order.created", "transaction.created"):
        contract = compiled([path for path in FILES if path.parent.name == kind][-1])
        for place in range(20):
            one = event(contract, "org_acme", day, rng, **payload(kind, number * 100 + place))
            item = to_item(one.envelope, contract, one.fingerprint, codec)
            at = datetime(2026, 11, 21, 9, number, tzinfo=UTC)
            found.append(Delivery(item, "shardId-0", f"{number}{kind}{place:03}", at, {}))
    return found


def payload(kind: str, number: int) -> dict[str, Any]:
    """What no check refuses."""
    if kind == "transaction.created":
        return {"transaction_id": f"txn_{number}", "amount": 12.5 + number, "merchant": "terminal_7"}
    item = {"productId": "sku_1", "quantity": 1, "price": 9.99}
    order = {"orderId": f"ord_{number}", "userId": "usr_1", "currency": "EUR"}
    return {**order, "items": [item], "totalAmount": 9.99}


def test_every_step_was_recorded(recorded: dict[str, set[Call]]) -> None:
    assert set(recorded) == set(FUNCTIONS)
    assert all(recorded.values())


@pytest.mark.parametrize("environment", ["local", "dev"])
@pytest.mark.parametrize("stem", FUNCTIONS)
def test_a_step_s_role_allows_what_it_asks(
    recorded: dict[str, set[Call]], stem: str, environment: str
) -> None:
    rights = Rights(templates(environment), stem)
    assert [one for one in sorted(recorded[stem]) if not rights.allow(one)] == []


@pytest.mark.parametrize("stem", FUNCTIONS)
def test_a_step_s_role_allows_nothing_without_a_reason(recorded: dict[str, set[Call]], stem: str) -> None:
    unused = Rights(templates("dev"), stem).unused(recorded[stem])
    # Glue asks an action of the catalog, the database and the table alike, and which tables there are is data.
    done = {(action, "glue") for action, _ in recorded[stem]}
    left_over = {
        (action, "glue") if action.startswith("glue:") else (action, resource)
        for action, resource in unused
        if action not in BY_LAMBDA
    }
    assert left_over - done == set(UNUSED.get(stem, {}))
