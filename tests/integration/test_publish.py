"""The end of a run, told once however often it is published: catalog, lineage, results, receipts, events."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from millrace.core.errors import PermanentError
from millrace.eventstore import failed_days, pending, silver
from millrace.quality.result import CheckResult
from millrace.runs.documents import Failure
from millrace.runs.store import RunStore
from millrace.warehouse import project
from millrace.warehouse.project import Exposure, Project, Transform
from tests.support import events
from tests.support.functions import function
from tests.support.platform import ACME, GLOBEX, LAKE, Platform
from tests.support.runs import COMMITTED_AT, Run, newest, part, yesterday

ORDERS, FACTS = "silver.order_created_v1", "marts.fct_transactions"
TRANSACTIONS = "silver.transaction_created_v1"
DAY, TOKEN = "2026-11-20", "0" * 32
WARN = CheckResult("pattern(currency)", "warning", 2, 10)
BROKEN = CheckResult("range(total_amount)", "blocking", 3, 10)
SOUND = CheckResult("not_null(order_id)", "blocking", 0, 10)
Publish = Callable[[str], dict[str, Any]]


def transform(lineage: dict[str, tuple[tuple[str, str], ...]]) -> Transform:
    return Transform(
        layer="marts",
        name="fct_transactions",
        sql="SELECT 1",
        athena_sql="SELECT 1",
        inputs=(TRANSACTIONS,),
        staging=(),
        grain="day",
        refresh="hourly",
        definition="d1",
        level=0,
        columns=tuple(lineage),
        lineage=lineage,
    )


LINEAGE: dict[str, tuple[tuple[str, str], ...]] = {
    "amount": ((TRANSACTIONS, "amount"),),
    "country": ((TRANSACTIONS, "country"),),
}
BOARD = Exposure("revenue_overview", "Revenue Overview", "dashboard", "finance", "Revenue by day.", (FACTS,))


@pytest.fixture
def warehouse(monkeypatch: pytest.MonkeyPatch) -> Callable[[Project], None]:
    """Puts a warehouse of one transform in the place of the compiled one."""

    def put(found: Project) -> None:
        monkeypatch.setattr(project, "load", lambda: found)

    put(Project([transform(LINEAGE)], [BOARD]))
    return put


@contextmanager
def publisher() -> Iterator[ModuleType]:
    environ = {
        "ENVIRONMENT": "local",
        "EVENTS_TABLE": "Events",
        "METADATA_TABLE": "Metadata",
        "LAKE_BUCKET": LAKE,
        "LOG_LEVEL": "ERROR",
    }
    with function("publish_run", environ) as found:
        yield found


@pytest.fixture
def publish(running: Platform, warehouse: object) -> Publish:
    def call(run: str) -> dict[str, Any]:
        with publisher() as module:
            answer: dict[str, Any] = module.handler({"runId": run}, None)
            return answer

    return call


@pytest.fixture
def runs(running: Platform) -> RunStore:
    return RunStore(running.s3, LAKE)


def mark(running: Platform, *orgs: str) -> None:
    """Makes a day of tenants pending."""
    for org in orgs:
        row = {
            "entityTypeKey": {"S": pending.partition()},
            "entityId": {"S": f"{org}#{DAY}"},
            "orgId": {"S": org},
            "day": {"S": DAY},
            "token": {"S": TOKEN},
            "at": {"S": COMMITTED_AT},
        }
        running.dynamodb.put_item(TableName="Metadata", Item=row)


def waiting(running: Platform) -> list[str]:
    return [one.org for one in pending.read(running.dynamodb, "Metadata")]


def two_tenants(running: Platform, **more: Any) -> Run:
    """ACME's and GLOBEX's day, in silver and in a mart."""
    mark(running, ACME, GLOBEX)
    run = Run(**more)
    for org in (ACME, GLOBEX):
        run.day(org, DAY, (f"raw/events/org={org}/a.parquet",), token=TOKEN)
    acme = part(ORDERS, ACME, DAY, 10, duplicates=2, dead=1, checks=(SOUND, newest(1795000000000)))
    globex = part(ORDERS, GLOBEX, DAY, 500, checks=(SOUND,))
    run.silver = [acme, globex]
    run.commit(ORDERS, acme, globex)
    run.build(FACTS, part(FACTS, ACME, DAY, 4), part(FACTS, GLOBEX, DAY, 60), inputs=(TRANSACTIONS,))
    return run


def dataset(running: Platform, name: str, org: str = ACME) -> dict[str, Any]:
    answer = running.get("/v1/datasets/{name}", name=name, org=org)
    assert answer["status"] == 200, answer
    found: dict[str, Any] = answer["body"]
    return found


def lineage(running: Platform, name: str, **query: str) -> dict[str, Any]:
    answer = running.get("/v1/datasets/{name}/lineage", name=name, query=query)
    assert answer["status"] == 200, answer
    found: dict[str, Any] = answer["body"]
    return found


def told(running: Platform) -> list[dict[str, Any]]:
    """Every row and object that a publish leaves."""
    rows = [row for table in ("Metadata", "Events") for row in running.rows(table)]
    return [
        *sorted(rows, key=lambda row: json.dumps(row, default=str, sort_keys=True)),
        running.objects("lineage/"),
        running.objects("runs/"),
    ]


def failed_events(running: Platform, org: str = ACME) -> list[dict[str, Any]]:
    answer = running.get("/v1/events", org=org, query={"eventType": "quality.check.failed"})
    assert answer["status"] == 200
    return [one["data"]["payload"] for one in answer["body"]["items"]]


def test_a_run_of_which_everything_landed(running: Platform, runs: RunStore, publish: Publish) -> None:
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


def test_publishing_again_changes_nothing(running: Platform, runs: RunStore, publish: Publish) -> None:
    run = two_tenants(running)
    run.silver[0] = replace(run.silver[0], checks=(WARN,))
    run.commit(ORDERS, *run.silver)
    run.write(runs)
    publish("hourly-1")
    first = told(running)
    assert publish("hourly-1")["status"] == "done"
    assert told(running) == first


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


def test_another_day_adds_up_and_a_day_made_again_replaces(
    running: Platform, runs: RunStore, publish: Publish
) -> None:
    two_tenants(running).write(runs)
    publish("hourly-1")
    again = Run(run="hourly-2", planned_at=yesterday(11), at=yesterday(11, 1))
    again.silver = [part(ORDERS, ACME, DAY, 12), part(ORDERS, ACME, "2026-11-19", 100)]
    again.day(ACME, DAY)
    again.day(ACME, "2026-11-19")
    again.commit(ORDERS, *again.silver, snapshot=8)
    again.write(runs)
    publish("hourly-2")
    assert (dataset(running, ORDERS)["rows"], dataset(running, ORDERS)["snapshot"]) == (112, "8")
    assert dataset(running, ORDERS, GLOBEX)["rows"] == 500
    # The older run told late takes nothing back.
    publish("hourly-1")
    assert (dataset(running, ORDERS)["rows"], dataset(running, ORDERS)["snapshot"]) == (112, "8")


def test_a_table_made_wholly_anew_forgets_what_has_gone(
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


def test_what_did_not_land_is_named_and_stays_pending(
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


def test_of_two_runs_at_once_the_second_does_not_say_that_the_day_failed(
    running: Platform, runs: RunStore, publish: Publish
) -> None:
    def conflict(name: str) -> None:
        run = two_tenants(running, run=name)
        left = tuple(Failure(org, DAY, "conflict: another run") for org in (ACME, GLOBEX))
        run.commits[ORDERS] = replace(run.commits[ORDERS], status="conflict", landed=(), left_out=left)
        run.write(runs)

    def failed() -> list[tuple[str, str]]:
        return [(one.org, one.run) for one in failed_days.read(running.dynamodb, "Metadata")]

    conflict("second")
    publish("second")
    assert failed() == [(ACME, "second"), (GLOBEX, "second")], "nobody has landed it yet"
    two_tenants(running, run="first").write(runs)
    publish("first")
    assert (failed(), waiting(running)) == ([], [])
    conflict("third")
    for org in (ACME, GLOBEX):
        assert pending.clear(running.dynamodb, "Metadata", org, DAY, TOKEN)
    publish("third")
    assert failed() == [], "another run has landed it"
    # One that was told in the very moment in which another run landed it is forgotten by whoever publishes next.
    reasons = [failed_days.Reason(ORDERS, "conflict")]
    failed_days.tell(running.dynamodb, "Metadata", ACME, DAY, reasons, run="late", at=COMMITTED_AT)
    Run(run="empty").write(runs)
    publish("empty")
    assert failed() == []


def test_what_came_since_the_plan_stays_pending(running: Platform, runs: RunStore, publish: Publish) -> None:
    run = two_tenants(running)
    run.days[0] = replace(run.days[0], token="an older batch")
    run.write(runs)
    assert publish("hourly-1")["status"] == "done"
    assert waiting(running) == [ACME]


def test_an_empty_interval_is_done_and_tells_nothing(
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


def test_a_failed_check_is_told_and_the_last_good_rows_stay(
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


def test_what_fails_in_the_table_of_failures_is_no_event(
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


def test_a_table_that_comes_from_nowhere_fails_the_run(
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
    assert waiting(running) == [], "silver has landed all the same"


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


def test_lineage_leads_from_raw_to_those_who_read(
    running: Platform, runs: RunStore, publish: Publish
) -> None:
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
    kinds = [json.loads(line)["eventType"] for line in body.splitlines()]
    assert kinds == ["START", "COMPLETE"] * 3


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


@pytest.mark.parametrize(
    ("route", "path", "query", "status"),
    [
        ("/v1/datasets", {}, {"layer": "bronze"}, 400),
        ("/v1/datasets", {}, {"limit": "0"}, 400),
        ("/v1/datasets", {}, {"cursor": "x"}, 400),
        ("/v1/datasets", {}, {"owner": "me"}, 400),
        ("/v1/datasets/{name}", {"name": "silver.nothing_v1"}, {}, 404),
        ("/v1/datasets/{name}", {"name": ""}, {}, 404),
        ("/v1/datasets/{name}", {"name": "raw.events"}, {"at": "now"}, 400),
        ("/v1/datasets/{name}/lineage", {"name": "nothing"}, {}, 404),
        ("/v1/datasets/{name}/lineage", {"name": "raw.events"}, {"transitive": "yes"}, 400),
    ],
)
def test_bad_questions(
    running: Platform, route: str, path: dict[str, str], query: dict[str, str], status: int
) -> None:
    assert running.get(route, query=query, **path)["status"] == status


def test_the_catalog_needs_its_right(running: Platform) -> None:
    for route in ("/v1/datasets", "/v1/datasets/{name}", "/v1/datasets/{name}/lineage"):
        assert running.get(route, name="raw.events", scopes="events:read")["status"] == 403


def test_a_source_that_has_stopped_is_told_and_fails_nothing(
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
    # A quiet run tells it as well, and makes no event of it: that would be a new row, and a new run, each time.
    Run(run="hourly-2", planned_at=yesterday(11)).write(runs)
    assert publish("hourly-2")["status"] == "done"
    summary = runs.summary("hourly-2")
    assert summary is not None
    assert [(line.check, line.status) for line in summary.checks] == [("freshness", "fail")]
    assert running.rows("Events") == []


def test_the_trace_says_in_silver_once_the_object_is_taken_in(
    running: Platform, runs: RunStore, publish: Publish
) -> None:
    order = events.order()
    assert running.post(order)["status"] == 202
    running.settle()
    before = trace(running, order["eventId"])
    assert "in_silver" not in before
    day, key = before["accepted"]["day"], before["archived"]["detail"]["object"]
    run = Run()
    run.day(ACME, day, ("raw/events/other.parquet",))
    run.silver = [part(ORDERS, ACME, day)]
    run.commit(ORDERS, *run.silver)
    run.write(runs)
    publish("hourly-1")
    assert "in_silver" not in trace(running, order["eventId"]), "the run planned another object"
    later = Run(run="hourly-2", planned_at=yesterday(11), at=yesterday(11, 1))
    later.day(ACME, day, ("raw/events/other.parquet", key.split("/", 3)[3]))
    later.silver = [part(ORDERS, ACME, day)]
    later.commit(ORDERS, *later.silver, snapshot=9)
    later.write(runs)
    publish("hourly-2")
    found = trace(running, order["eventId"])["in_silver"]
    assert found["at"] == yesterday(11, 1)
    assert found["detail"]["table"] == ORDERS
    assert (found["detail"]["runId"], found["detail"]["snapshot"]) == ("hourly-2", "9")
    assert found["detail"]["contract"].startswith("order.created/1.")


def test_the_trace_of_an_event_that_could_not_be_typed_does_not_say_in_silver(
    running: Platform, runs: RunStore, publish: Publish
) -> None:
    sound, dead = events.order(), events.order()
    assert running.post([sound, dead])["status"] == 202
    running.settle()
    archived = [trace(running, one["eventId"]) for one in (sound, dead)]
    day = archived[0]["accepted"]["day"]
    run = Run()
    run.day(ACME, day, tuple(one["archived"]["detail"]["object"].split("/", 3)[3] for one in archived))
    run.silver = [part(ORDERS, ACME, day, 1, dead=1)]
    run.commit(ORDERS, *run.silver)
    run.write(runs)
    running.s3.put_object(
        Bucket=LAKE,
        Key=f"dead-letters/transform_partitions/{run.run}/{ACME}/{day}-0-{ORDERS}.ndjson",
        Body=json.dumps({"event_id": dead["eventId"].upper(), "reason": "x"}) + "\n",
    )
    publish(run.run)
    assert "in_silver" in trace(running, sound["eventId"])
    assert "in_silver" not in trace(running, dead["eventId"])


def trace(running: Platform, event_id: str) -> dict[str, Any]:
    envelope = running.get("/v1/events/{eventId}", eventId=event_id)["body"]
    body = running.get("/v1/events/{eventId}/trace", eventId=event_id)["body"]
    assert body["status"] == "complete"
    steps: dict[str, Any] = {step["step"]: step for step in body["steps"]}
    steps["accepted"]["day"] = envelope["platform"]["day"]
    return steps


def test_a_receipt_of_very_many_objects_is_found_in_each_of_its_rows(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silver, "OBJECTS_PER_ROW", 3)
    objects = [f"raw/{number}" for number in range(7)]
    receipt = silver.SilverReceipt(ACME, DAY, ORDERS, "r", COMMITTED_AT, None, "c", "0", objects)
    items = silver.to_items(receipt)
    assert len(items) == 3
    for item in items:
        running.dynamodb.put_item(TableName="Metadata", Item=item)
    for key in objects:
        assert silver.find(running.dynamodb, "Metadata", ACME, DAY, ORDERS, f"s3://{LAKE}/{key}") is not None
    assert silver.find(running.dynamodb, "Metadata", ACME, DAY, ORDERS, "raw/8") is None
    assert silver.find(running.dynamodb, "Metadata", GLOBEX, DAY, ORDERS, "raw/1") is None


def test_a_run_is_told_in_metrics(
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
