"""What checks found in a run, after it is published: results, events of failed checks, freshness."""

from dataclasses import replace
from datetime import UTC, datetime

from millrace.runs.documents import Failure
from millrace.runs.store import RunStore
from tests.support.platform import ACME, GLOBEX, Platform
from tests.support.publishing import (
    BROKEN,
    DAY,
    ORDERS,
    SOUND,
    WARN,
    Publish,
    dataset,
    failed_events,
    two_tenants,
)
from tests.support.runs import Run, newest, part, yesterday


def test_a_failed_check_is_reported_and_the_last_good_rows_stay(
    running: Platform, runs: RunStore, publish: Publish
) -> None:
    two_tenants(running).write(runs)
    publish("hourly-1")
    run = Run(run="hourly-2", planned_at=yesterday(11), at=yesterday(11, 1))
    run.day(ACME, DAY, token=None)
    run.silver = [part(ORDERS, ACME, DAY, 10, checks=(SOUND, BROKEN, WARN))]
    left = (Failure(ACME, DAY, "range(total_amount): 3 of 10 rows"),)
    run.commit(ORDERS, snapshot=7, status="blocked", left_out=left)
    run.write(runs)
    assert publish("hourly-2")["status"] == "failed"
    found = dataset(running, ORDERS)
    assert (found["rows"], found["runId"], found["quality"]) == (10, "hourly-1", "fail")
    assert {check["check"]: check["status"] for check in found["checks"]} == {
        "balance": "pass",
        "not_null(order_id)": "pass",
        "pattern(currency)": "warn",
        "range(total_amount)": "fail",
    }
    payloads = sorted(failed_events(running), key=lambda one: str(one["check"]))
    assert payloads == [
        {
            "table": ORDERS,
            "check": check.check,
            "severity": check.severity,
            "failed": check.failed,
            "rows": 10,
            "day": DAY,
            "runId": "hourly-2",
        }
        for check in (WARN, BROKEN)
    ]
    assert failed_events(running, GLOBEX) == []


def test_the_same_failure_is_one_event_over_runs_and_another_count_another(
    running: Platform, runs: RunStore, publish: Publish
) -> None:
    for number, failed in ((1, 2), (2, 2), (3, 5)):
        run = Run(run=f"hourly-{number}", planned_at=yesterday(10 + number))
        run.day(ACME, DAY)
        # A new event makes its own day pending: the manifest of each run is another.
        run.days[0] = replace(run.days[0], manifest=f"m{number}")
        run.silver = [part(ORDERS, ACME, DAY, checks=(replace(WARN, failed=failed),))]
        run.commit(ORDERS, *run.silver)
        run.write(runs)
        publish(run.run)
    assert sorted((one["failed"], one["runId"]) for one in failed_events(running)) == [
        (2, "hourly-1"),
        (5, "hourly-3"),
    ]


def test_what_fails_in_the_table_of_these_events_is_no_event(
    running: Platform, runs: RunStore, publish: Publish
) -> None:
    table = "silver.quality_check_failed_v1"
    run = Run()
    run.day(ACME, DAY)
    run.silver = [part(table, ACME, DAY, checks=(WARN,))]
    run.commit(table, *run.silver)
    run.write(runs)
    publish("hourly-1")
    assert failed_events(running) == []
    assert dataset(running, table)["quality"] == "warn"


def test_a_source_that_has_stopped_is_reported_and_fails_nothing(
    running: Platform, runs: RunStore, publish: Publish
) -> None:
    run = two_tenants(running)
    now = int(datetime.now(UTC).timestamp() * 1000)
    hour = 3_600_000
    run.silver = [
        part(ORDERS, ACME, DAY, checks=(newest(now - 3 * hour),)),
        part(ORDERS, GLOBEX, DAY, checks=(newest(now - 5 * hour),)),
    ]
    run.commit(ORDERS, *run.silver)
    run.write(runs)
    assert publish("hourly-1")["status"] == "done"
    assert dataset(running, ORDERS)["freshness"]["status"] == "warn"
    assert dataset(running, ORDERS, GLOBEX)["freshness"]["status"] == "fail"
    summary = runs.summary("hourly-1")
    assert summary is not None
    (line,) = [line for line in summary.checks if line.check == "freshness"]
    assert (line.table, line.status, line.failed, line.rows) == (ORDERS, "fail", 2, 2)
    # A run without work reports it as well, and makes no event of it: that would be a new row, and a new run, each time.
    Run(run="hourly-2", planned_at=yesterday(11)).write(runs)
    assert publish("hourly-2")["status"] == "done"
    summary = runs.summary("hourly-2")
    assert summary is not None
    assert [(line.check, line.status) for line in summary.checks] == [("freshness", "fail")]
    assert running.rows("Events") == []
