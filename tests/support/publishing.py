"""Runs that are published through the real function: fixtures and what tests read afterwards."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from millrace.core.edge import Handler
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore import pending
from millrace.quality.result import CheckResult
from millrace.runs.store import RunStore
from millrace.warehouse import project
from millrace.warehouse.project import Exposure, Project, Transform
from tests.support.functions import function
from tests.support.platform import ACME, GLOBEX, LAKE, Platform
from tests.support.runs import COMMITTED_AT, Run, newest, part

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
BOARD = Exposure("revenue_overview", "Revenue Overview", "finance", "Revenue by day.", (FACTS,))


@pytest.fixture
def warehouse(monkeypatch: pytest.MonkeyPatch) -> Callable[[Project], None]:
    """Puts a warehouse of one transform in the place of the compiled one."""

    def put(compiled: Project) -> None:
        monkeypatch.setattr(project, "load", lambda: compiled)

    put(Project([transform(LINEAGE)], [BOARD]))
    return put


@contextmanager
def publisher() -> Iterator[Handler]:
    environ = {
        "ENVIRONMENT": "local",
        "EVENTS_TABLE": "Events",
        "METADATA_TABLE": "Metadata",
        "CATALOG_ARN": "arn:aws:glue:us-east-1:000000000000",
        "LAKE_BUCKET": LAKE,
        "LOG_LEVEL": "ERROR",
    }
    with function("publish_run", environ) as handler:
        yield handler


@pytest.fixture
def publish(running: Platform, warehouse: object) -> Publish:
    def call(run: str) -> dict[str, Any]:
        with publisher() as handler:
            answer: dict[str, Any] = handler({"runId": run}, None)
            return answer

    return call


@pytest.fixture
def runs(running: Platform) -> RunStore:
    return RunStore(Objects(running.s3, LAKE))


def mark(running: Platform, *orgs: str) -> None:
    """Makes a day of tenants pending."""
    for org in orgs:
        row = {
            **pending.keys_of(org, DAY)[0],
            "orgId": {"S": org},
            "day": {"S": DAY},
            "token": {"S": TOKEN},
            "at": {"S": COMMITTED_AT},
        }
        running.dynamodb.put_item(TableName="Metadata", Item=row)


def waiting(running: Platform) -> list[str]:
    return [one.org for one in pending.read(Table(running.dynamodb, "Metadata"))]


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
    document: dict[str, Any] = answer["body"]
    return document


def lineage(running: Platform, name: str, **query: str) -> dict[str, Any]:
    answer = running.get("/v1/datasets/{name}/lineage", name=name, query=query)
    assert answer["status"] == 200, answer
    document: dict[str, Any] = answer["body"]
    return document


def stored(running: Platform) -> list[dict[str, Any]]:
    """Every item and object that a publish leaves."""
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
