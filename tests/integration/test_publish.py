"""The end of a run, published with the same result however often: catalog, pending days, summary, metrics."""

import json
from dataclasses import replace

import pytest

from millrace.core.errors import PermanentError
from millrace.core.table import Table
from millrace.eventstore import failed_days, pending
from millrace.runs.documents import Failure
from millrace.runs.store import RunStore
from tests.support.platform import ACME, GLOBEX, Platform
from tests.support.publishing import (
    DAY,
    FACTS,
    ORDERS,
    TOKEN,
    TRANSACTIONS,
    WARN,
    Publish,
    dataset,
    failed_events,
    stored,
    two_tenants,
    waiting,
)
from tests.support.runs import COMMITTED_AT, Run, part, yesterday


def test_a_run_that_committed_everything(running: Platform, runs: RunStore, publish: Publish) -> None:
    two_tenants(running).write(runs)
    assert publish("hourly-1") == {"runId": "hourly-1", "status": "done"}
    summary = runs.summary("hourly-1")
    assert summary is not None
    assert [(line.table, line.rows, line.snapshot, line.status) for line in summary.tables] == [
        (ORDERS, 1510, 7, "committed"),
        (FACTS, 1064, 7, "committed"),
    ]
    assert (summary.rows_in, summary.rows, summary.duplicates, summary.dead) == (513, 510, 2, 1)
    statuses = {(line.table, line.check): line.status for line in summary.checks}
    assert statuses[ORDERS, "not_null(order_id)"] == "pass"
    assert statuses[ORDERS, "balance"] == "pass"
    assert waiting(running) == []
    assert failed_events(running) == []


def test_a_repeated_publish_changes_nothing(running: Platform, runs: RunStore, publish: Publish) -> None:
    run = two_tenants(running)
    run.silver[0] = replace(run.silver[0], checks=(WARN,))
    run.commit(ORDERS, *run.silver)
    run.write(runs)
    publish("hourly-1")
    first = stored(running)
    assert publish("hourly-1")["status"] == "done"
    assert stored(running) == first


def test_each_tenant_reads_its_own_rows_only(running: Platform, runs: RunStore, publish: Publish) -> None:
    two_tenants(running).write(runs)
    publish("hourly-1")
    acme, globex = dataset(running, ORDERS), dataset(running, ORDERS, GLOBEX)
    assert (acme["rows"], globex["rows"]) == (10, 500)
    assert acme["snapshot"] == "7"
    assert acme["runId"] == "hourly-1"
    assert acme["updatedAt"] == COMMITTED_AT
    assert acme["contract"].startswith("order.created/1.")
    assert acme["quality"] == "pass"
    assert {check["check"]: check["rows"] for check in acme["checks"]} == {
        "not_null(order_id)": 10,
        "balance": 13,
    }
    assert {"name": "order_id", "type": "string", "classification": "internal"}.items() <= {
        column["name"]: column for column in acme["columns"]
    }["order_id"].items()
    listed = running.get("/v1/datasets", query={"layer": "marts"})["body"]["items"]
    assert {one["name"]: one["rows"] for one in listed}[FACTS] == 4


def test_another_day_adds_up_and_a_rerun_of_a_day_replaces(
    running: Platform, runs: RunStore, publish: Publish
) -> None:
    two_tenants(running).write(runs)
    publish("hourly-1")
    rerun = Run(run="hourly-2", planned_at=yesterday(11), at=yesterday(11, 1))
    rerun.silver = [part(ORDERS, ACME, DAY, 12), part(ORDERS, ACME, "2026-11-19", 100)]
    rerun.day(ACME, DAY)
    rerun.day(ACME, "2026-11-19")
    rerun.commit(ORDERS, *rerun.silver, snapshot=8)
    rerun.write(runs)
    publish("hourly-2")
    assert (dataset(running, ORDERS)["rows"], dataset(running, ORDERS)["snapshot"]) == (112, "8")
    assert dataset(running, ORDERS, GLOBEX)["rows"] == 500
    # The older run, published late, changes nothing.
    publish("hourly-1")
    assert (dataset(running, ORDERS)["rows"], dataset(running, ORDERS)["snapshot"]) == (112, "8")


def test_a_table_made_wholly_anew_loses_the_parts_that_have_gone(
    running: Platform, runs: RunStore, publish: Publish
) -> None:
    two_tenants(running).write(runs)
    publish("hourly-1")
    anew = Run(run="hourly-2", planned_at=yesterday(11), at=yesterday(11, 1))
    anew.build(FACTS, part(FACTS, ACME, "2026-11-21", 3), inputs=(TRANSACTIONS,), whole=True)
    anew.write(runs)
    publish("hourly-2")
    assert dataset(running, FACTS)["rows"] == 3
    assert dataset(running, FACTS, GLOBEX)["rows"] == 0


def test_what_is_not_committed_is_named_and_stays_pending(
    running: Platform, runs: RunStore, publish: Publish
) -> None:
    run = two_tenants(running)
    run.failures = [Failure(GLOBEX, DAY, "a corrupt object")]
    run.silver = run.silver[:1]
    run.commit(ORDERS, run.silver[0])
    run.write(runs)
    assert publish("hourly-1")["status"] == "partly"
    summary = runs.summary("hourly-1")
    assert summary is not None
    assert [(one["org"], one["day"], one["error"]) for one in summary.failures] == [
        (GLOBEX, DAY, "a corrupt object")
    ]
    assert waiting(running) == [GLOBEX]
    assert dataset(running, ORDERS, GLOBEX)["rows"] is None


def test_of_two_runs_at_once_the_second_does_not_store_the_day_as_failed(
    running: Platform, runs: RunStore, publish: Publish
) -> None:
    def conflict(name: str) -> None:
        run = two_tenants(running, run=name)
        left = tuple(Failure(org, DAY, "conflict: another run") for org in (ACME, GLOBEX))
        run.commits[ORDERS] = replace(run.commits[ORDERS], status="conflict", landed=(), left_out=left)
        run.write(runs)

    def failed() -> list[tuple[str, str]]:
        return [(one.org, one.run) for one in failed_days.read(Table(running.dynamodb, "Metadata"))]

    conflict("second")
    publish("second")
    assert failed() == [(ACME, "second"), (GLOBEX, "second")], "no run has committed it yet"
    two_tenants(running, run="first").write(runs)
    publish("first")
    assert (failed(), waiting(running)) == ([], [])
    conflict("third")
    for org in (ACME, GLOBEX):
        assert pending.clear(Table(running.dynamodb, "Metadata"), org, DAY, TOKEN)
    publish("third")
    assert failed() == [], "another run has committed it"
    # One that was stored in the very moment in which another run committed it is deleted by whichever run is published next.
    reasons = [failed_days.Reason(ORDERS, "conflict")]
    failed_days.record(Table(running.dynamodb, "Metadata"), ACME, DAY, reasons, run="late", at=COMMITTED_AT)
    Run(run="empty").write(runs)
    publish("empty")
    assert failed() == []


def test_what_came_since_the_plan_stays_pending(running: Platform, runs: RunStore, publish: Publish) -> None:
    run = two_tenants(running)
    run.days[0] = replace(run.days[0], token="an older batch")
    run.write(runs)
    assert publish("hourly-1")["status"] == "done"
    assert waiting(running) == [ACME]


def test_an_empty_interval_is_done_and_stores_nothing(
    running: Platform, runs: RunStore, publish: Publish
) -> None:
    before = running.rows("Metadata")
    Run().write(runs)
    assert publish("hourly-1")["status"] == "done"
    assert running.rows("Metadata") == before
    assert running.rows("Events") == []
    assert running.objects("lineage/") == {}


def test_a_run_without_a_plan_is_refused(publish: Publish) -> None:
    with pytest.raises(PermanentError, match="no plan"):
        publish("never")


def test_a_run_in_metrics(
    running: Platform, runs: RunStore, publish: Publish, capsys: pytest.CaptureFixture[str]
) -> None:
    two_tenants(running).write(runs)
    publish("hourly-1")
    (line,) = [json.loads(text) for text in capsys.readouterr().out.splitlines() if "_aws" in text]
    assert (line["service"], line["environment"]) == ("publish_run", "local")
    assert (line["RowsIn"], line["Rows"], line["Duplicates"], line["DeadRows"]) == (
        [513.0],
        [510.0],
        [2.0],
        [1.0],
    )
    assert line["RunSeconds"][0] >= 0
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Millrace"
    assert {"Name": "ChecksFailed", "Unit": "Count"} in directive["Metrics"]
