"""A whole run by the real handlers, from the archive to the catalog; and the quiet run after it."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from millrace.catalog.datasets import Catalog
from millrace.catalog.store import CatalogStore
from millrace.contracts import registry
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore import pending
from millrace.eventstore.lag import not_in_silver
from millrace.runs.documents import Summary
from millrace.runs.store import RunStore
from millrace.warehouse import project
from tests.integration.test_silver_run import DAY, NEXT, archive, call, finish, plan
from tests.support.commits import ACME, GLOBEX
from tests.support.emulator import Lake
from tests.support.functions import function
from tests.support.lake_files import SILVER

ENRICHED = "marts.orders_enriched"


def run_all(lake: Lake, run: str) -> Summary:
    """Plans, transforms, commits, builds the tables level after level, and publishes."""
    planned = plan(lake, run)
    finish(lake, run, planned)
    for level in planned["levels"]:
        for table in level:
            make(lake, run, table)
    return publish(lake, run)


def make(lake: Lake, run: str, table: str) -> None:
    prepared = call(lake, "prepare_table", {"runId": run, "table": table})
    if prepared["status"] != "ready":
        return
    for chunk in prepared["chunks"]:
        event = {"runId": run, "table": table, "chunk": chunk}
        with function("build_table", {**lake.environ, "MEMORY_MB": "1024"}) as handler:
            assert handler(event, None)["status"] == "ok"
    call(lake, "commit_table", {"runId": run, "table": table})


def publish(lake: Lake, run: str) -> Summary:
    with function("publish_run", {**lake.environ, "EVENTS_TABLE": "Events"}) as handler:
        assert handler({"runId": run}, None)["runId"] == run
    summary = RunStore(Objects(lake.s3, lake.bucket)).summary(run)
    assert summary is not None
    return summary


def catalog(lake: Lake) -> Catalog:
    metadata = Table(lake.dynamodb, "Metadata")
    return Catalog(CatalogStore(metadata), registry.load(), project.load, partial(not_in_silver, metadata))


def read(lake: Lake, name: str, org: str) -> dict[str, Any]:
    found = catalog(lake).get(org, name)
    assert found is not None
    return found


def test_a_run_from_the_archive_to_the_catalog(lake: Lake, bundle: Path) -> None:
    archive(lake, (1, ACME, DAY), (2, GLOBEX, DAY), (3, ACME, NEXT))
    summary = run_all(lake, "r1")
    assert (summary.status, summary.failures) == ("done", ())
    assert (summary.rows_in, summary.rows, summary.duplicates, summary.dead) == (3, 3, 0, 0)
    lines = {line.table: line for line in summary.tables}
    assert (lines[SILVER].rows, lines[SILVER].status) == (3, "committed")
    assert lines[ENRICHED].rows == 3
    assert pending.read(Table(lake.dynamodb, "Metadata")) == []
    assert [read(lake, SILVER, org)["rows"] for org in (ACME, GLOBEX)] == [2, 1]
    assert [read(lake, ENRICHED, org)["rows"] for org in (ACME, GLOBEX)] == [2, 1]
    found = read(lake, SILVER, ACME)
    assert (found["snapshot"], found["quality"]) == (str(lines[SILVER].snapshot), "pass")
    assert found["freshness"]["newest"] is not None
    around = catalog(lake).lineage(ENRICHED, transitive=True)
    assert around is not None
    assert {"raw.events", SILVER} <= set(around["upstream"])
    (key,) = lake.keys("lineage/")
    body = lake.s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read()
    told = [json.loads(line) for line in body.splitlines()]
    made = {one["outputs"][0]["name"] for one in told if one["eventType"] == "COMPLETE" and one["outputs"]}
    assert {"processed/analytics/order_created_v1", "curated/business-intelligence/orders_enriched"} <= made


def test_a_quiet_run_changes_nothing_and_makes_no_event(lake: Lake, bundle: Path) -> None:
    archive(lake, (1, ACME, DAY))
    run_all(lake, "r1")
    before = read(lake, SILVER, ACME)
    summary = run_all(lake, "r2")
    assert (summary.status, summary.partitions, summary.failures) == ("done", 0, ())
    assert [line.check for line in summary.checks if line.check != "freshness"] == []
    assert read(lake, SILVER, ACME)["runId"] == before["runId"] == "r1"
    assert lake.dynamodb.scan(TableName="Events")["Count"] == 0
