"""Datasets and their lineage over HTTP, before and after runs are published."""

import json
from collections.abc import Callable
from datetime import timedelta

from millrace.anonymised import definition, described
from millrace.catalog.store import CatalogStore
from millrace.core import clock
from millrace.core.table import Table
from millrace.eventstore import receipts
from millrace.runs.store import RunStore
from millrace.warehouse.project import Project
from tests.support.platform import ACME, GLOBEX, Platform
from tests.support.publishing import (
    BOARD,
    DAY,
    FACTS,
    LINEAGE,
    ORDERS,
    TRANSACTIONS,
    Publish,
    dataset,
    lineage,
    mark,
    transform,
    two_tenants,
    waiting,
)
from tests.support.runs import COMMITTED_AT, Run, part, yesterday

NOBODY = "anonymised.orders_by_month"


def test_a_table_without_lineage_fails_the_run(
    running: Platform,
    runs: RunStore,
    publish: Publish,
    warehouse: Callable[[Project], None],
) -> None:
    warehouse(Project([transform({"n": ()})], []))
    two_tenants(running).write(runs)
    assert publish("hourly-1")["status"] == "failed"
    summary = runs.summary("hourly-1")
    assert summary is not None
    assert [(one["table"], one["error"]) for one in summary.failures] == [(FACTS, "has no lineage")]
    assert waiting(running) == [], "silver is committed all the same"


def test_an_edge_goes_with_its_column(
    running: Platform,
    runs: RunStore,
    publish: Publish,
    warehouse: Callable[[Project], None],
) -> None:
    two_tenants(running).write(runs)
    publish("hourly-1")
    assert lineage(running, FACTS)["columns"]["country"] == {
        "upstream": [f"{TRANSACTIONS}.country"],
        "downstream": [],
    }
    assert lineage(running, TRANSACTIONS)["columns"]["country"]["downstream"] == [f"{FACTS}.country"]
    warehouse(Project([transform({"amount": LINEAGE["amount"]})], [BOARD]))
    run = two_tenants(running, run="hourly-2", planned_at=yesterday(11), at=yesterday(11, 1))
    run.write(runs)
    publish("hourly-2")
    assert "country" not in lineage(running, FACTS)["columns"]
    # No run has made the transactions of silver: they have no edges of their own.
    assert set(lineage(running, TRANSACTIONS)["columns"]) == {"amount"}


def test_lineage_leads_from_raw_to_the_readers(running: Platform, runs: RunStore, publish: Publish) -> None:
    run = two_tenants(running)
    run.silver.append(part(TRANSACTIONS, ACME, DAY))
    run.commit(TRANSACTIONS, run.silver[-1])
    run.write(runs)
    publish("hourly-1")
    assert lineage(running, FACTS)["upstream"] == [TRANSACTIONS]
    assert lineage(running, FACTS)["downstream"] == ["exposure.revenue_overview"]
    assert lineage(running, FACTS, transitive="true")["upstream"] == ["raw.events", TRANSACTIONS]
    assert lineage(running, "exposure.revenue_overview")["upstream"] == [FACTS]
    raw = lineage(running, "raw.events")
    assert raw["downstream"] == [ORDERS, TRANSACTIONS]
    assert f"{ORDERS}.order_id" in raw["columns"]["payload"]["downstream"]
    ((key, body),) = running.objects("lineage/").items()
    assert key == f"lineage/{COMMITTED_AT[:10]}/hourly-1.ndjson"
    events = [json.loads(line) for line in body.splitlines()]
    kinds = [one["eventType"] for one in events if one["job"]["facets"]["jobType"]["jobType"] == "MODEL"]
    assert kinds == ["START", "COMPLETE"] * 3
    assert [(one["eventType"], one["job"]["name"]) for one in (events[0], events[-1])] == [
        ("START", "pipeline"),
        ("COMPLETE", "pipeline"),
    ]


def test_a_dataset_that_nothing_describes_any_more_loses_its_edges(
    running: Platform,
    runs: RunStore,
    publish: Publish,
    warehouse: Callable[[Project], None],
) -> None:
    two_tenants(running).write(runs)
    publish("hourly-1")
    warehouse(Project([], []))
    Run(run="hourly-2", planned_at=yesterday(11)).write(runs)
    publish("hourly-2")
    assert lineage(running, TRANSACTIONS)["downstream"] == []


def test_datasets_are_there_before_the_first_run(running: Platform, warehouse: object) -> None:
    found = dataset(running, ORDERS)
    assert (found["rows"], found["snapshot"], found["updatedAt"], found["quality"]) == (
        None,
        None,
        None,
        None,
    )
    assert found["freshness"] == {"warnHours": 2.0, "errorHours": 4.0, "newest": None, "status": None}
    assert found["checks"] == []
    assert lineage(running, ORDERS) == {"upstream": [], "downstream": [], "columns": {}}
    names = [one["name"] for one in running.get("/v1/datasets", query={"limit": "500"})["body"]["items"]]
    assert names == sorted(names)
    assert {"raw.events", ORDERS, "exposure.revenue_overview", FACTS} <= set(names)


def test_a_dataset_says_what_it_lacks(running: Platform, runs: RunStore, publish: Publish) -> None:
    two_tenants(running).write(runs)
    publish("hourly-1")
    nothing = {"events": 0, "inputs": [], "seconds": 0}
    assert dataset(running, FACTS)["lag"] == dataset(running, ORDERS)["lag"] == nothing
    later = Run(run="hourly-2", planned_at=yesterday(11), at=yesterday(11, 1))
    later.commit(TRANSACTIONS, part(TRANSACTIONS, ACME, DAY, 5))
    later.silver = [part(TRANSACTIONS, ACME, DAY, 5)]
    later.write(runs)
    publish("hourly-2")
    metadata, arrived = Table(running.dynamodb, "Metadata"), clock.now() - timedelta(days=3)
    place = receipts.place(arrived, "shard-0", "1", "2")
    receipt = receipts.Receipt(ACME, receipts.MANIFEST, DAY, place, arrived, ("0" * 32,) * 7, "1", 0, "b", 1)
    metadata.write_all(receipts.to_items(receipt))
    mark(running, ACME, GLOBEX)
    behind = dataset(running, FACTS)["lag"]
    assert (behind["events"], behind["inputs"]) == (7, [TRANSACTIONS])
    assert 3 * 86_400 <= behind["seconds"] < 3 * 86_400 + 600, "the oldest counts"
    assert dataset(running, TRANSACTIONS)["lag"]["inputs"] == []
    assert dataset(running, FACTS, org=GLOBEX)["lag"] == nothing
    listed = running.get("/v1/datasets", query={"limit": "500"})["body"]["items"]
    assert {one["name"]: one["lag"] and one["lag"]["inputs"] for one in listed}[FACTS] == [TRANSACTIONS]
    assert [one["name"] for one in listed if one["lag"] is None] == [
        NOBODY,
        "exposure.revenue_overview",
        "raw.events",
    ]


def test_a_table_about_nobody_is_a_dataset(running: Platform) -> None:
    of_tables = dataset(running, NOBODY)
    declared = definition.load()["orders_by_month"]
    assert (of_tables["layer"], of_tables["owner"], of_tables["k"]) == (
        "anonymised",
        declared.owner,
        declared.k,
    )
    assert (of_tables["rows"], of_tables["updatedAt"]) == (None, None), "nothing is released"
    columns = {one["name"]: one for one in of_tables["columns"]}
    wanted = [one.name for one in declared.dimensions] + ["people"] + [one.name for one in declared.measures]
    assert list(columns) == wanted
    assert {one["visibility"] for one in columns.values()} == {"absent"}, "SQL does not read it"
    assert declared.source in str(lineage(running, NOBODY)["upstream"])
    assert NOBODY in str(lineage(running, declared.source)["downstream"])
    release = {"name": declared.name, "rows": [{}] * 3, "releasedAt": clock.utc_text(clock.now())}
    store = CatalogStore(Table(running.dynamodb, "Metadata"))
    store.put_entries([described.entry(ACME, release)])
    now = dataset(running, NOBODY)
    assert (now["rows"], now["updatedAt"], now["runId"]) == (3, release["releasedAt"], None)
    assert dataset(running, NOBODY, org=GLOBEX)["rows"] is None
    only = running.get("/v1/datasets", query={"layer": "anonymised"})["body"]["items"]
    assert [one["name"] for one in only] == [NOBODY]
    assert {one["k"] for one in running.get("/v1/datasets", query={"layer": "marts"})["body"]["items"]} == {
        None
    }
    assert running.get("/v1/datasets/{name}", name=NOBODY, scopes="events:read")["status"] == 403


def test_pages_of_datasets_hold_each_once(running: Platform, warehouse: object) -> None:
    whole = running.get("/v1/datasets", query={"limit": "500", "layer": "silver"})["body"]
    assert whole["cursor"] is None
    seen: list[str] = []
    query = {"limit": "7", "layer": "silver"}
    while True:
        page = running.get("/v1/datasets", query=query)["body"]
        seen += [one["name"] for one in page["items"]]
        if page["cursor"] is None:
            break
        query["cursor"] = page["cursor"]
    assert seen == [one["name"] for one in whole["items"]]
    other = running.get("/v1/datasets", query={"cursor": query["cursor"], "layer": "silver"}, org=GLOBEX)
    assert other["status"] == 400, "a cursor is its tenant's"


# Route, values of its path, query, and the status of the answer.
BAD_QUESTIONS: tuple[tuple[str, dict[str, str], dict[str, str], int], ...] = (
    ("/v1/datasets", {}, {"layer": "bronze"}, 400),
    ("/v1/datasets", {}, {"limit": "0"}, 400),
    ("/v1/datasets", {}, {"cursor": "x"}, 400),
    ("/v1/datasets", {}, {"owner": "me"}, 400),
    ("/v1/datasets/{name}", {"name": "silver.nothing_v1"}, {}, 404),
    ("/v1/datasets/{name}", {"name": ""}, {}, 404),
    ("/v1/datasets/{name}", {"name": "raw.events"}, {"at": "now"}, 400),
    ("/v1/datasets/{name}/lineage", {"name": "nothing"}, {}, 404),
    ("/v1/datasets/{name}/lineage", {"name": "raw.events"}, {"transitive": "yes"}, 400),
)


def test_bad_questions(running: Platform) -> None:
    for route, path, query, status in BAD_QUESTIONS:
        assert running.get(route, query=query, **path)["status"] == status, (route, path, query)


def test_the_catalog_needs_its_right(running: Platform) -> None:
    for route in ("/v1/datasets", "/v1/datasets/{name}", "/v1/datasets/{name}/lineage"):
        assert running.get(route, name="raw.events", scopes="events:read")["status"] == 403


def test_a_dataset_says_how_queries_of_its_caller_show_each_column(
    running: Platform, warehouse: object
) -> None:
    def shown(name: str, scopes: str) -> dict[str, str]:
        found = running.get("/v1/datasets/{name}", name=name, scopes=scopes)["body"]
        return {column["name"]: column["visibility"] for column in found["columns"]}

    orders = shown(ORDERS, "catalog:read dataset:*")
    assert orders["order_id"] == "clear"
    assert orders["meta_shipping_address_city"] == "token"
    assert orders["meta_shipping_address_street"] == "absent"
    assert shown("raw.events", "catalog:read dataset:raw.events")["payload"] == "masked"
    assert set(shown(ORDERS, "catalog:read dataset:marts.* personal:read").values()) == {"absent"}
