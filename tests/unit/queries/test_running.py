"""Queries of one tenant: bounded in number, cancelled from any copy, and nobody else's."""

import threading
from pathlib import Path
from typing import Any

import orjson
import pytest

from millrace.api.denials import Denials
from millrace.api.guard import Guard
from millrace.api.query import QueryApi
from millrace.api.route import load_operations
from millrace.api.router import Router
from millrace.core import audit
from millrace.core.table import Table
from millrace.privacy.identities import LEAST
from millrace.queries.errors import (
    BusyQueryError,
    CancelledQueryError,
    QueryIdTakenError,
    SlowQueryError,
)
from millrace.queries.running import MOST_RUNNING, Running
from millrace.rates.buckets import LocalBuckets
from millrace.rates.rates import Rates
from millrace.rates.tenant_limits import Limits
from tests.support.queries import queries
from tests.support.stores import MemoryDynamoDB
from tests.support.user_ids import KnownUsers

ENDLESS = "select sum(a.range * b.range) from range(100000000) a, range(100000000) b"


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_tenant_has_so_many_at_once_and_leaves_the_others_theirs() -> None:
    clock = Clock()
    running = Running(Table(MemoryDynamoDB(), "Metadata"), clock)
    started = [running.start("org_a", f"q{number}", "p", 25) for number in range(MOST_RUNNING)]
    with pytest.raises(BusyQueryError, match="wait"):
        running.start("org_a", "more", "p", 25)
    running.start("org_b", "q0", "p", 25).must_go_on()
    started[0].end()
    with pytest.raises(QueryIdTakenError):
        running.start("org_a", "q1", "p", 25)
    running.start("org_a", "more", "p", 25).must_go_on()
    # Copies that were ended in the middle leave rows, which count for as long as their queries could have run.
    clock.now += 26
    running.start("org_a", "q1", "p", 25).must_go_on()


def test_it_ends_when_it_is_cancelled_or_its_time_is_over() -> None:
    clock, table = Clock(), Table(MemoryDynamoDB(), "Metadata")
    one, other = Running(table, clock), Running(table, clock)
    query = one.start("org_a", "q", "p", 25)
    query.must_go_on()
    assert not other.cancel("org_b", "q"), "another tenant's"
    query.must_go_on()
    assert other.cancel("org_a", "q")
    with pytest.raises(CancelledQueryError):
        query.must_go_on()
    query.end()
    assert not other.cancel("org_a", "q")
    slow = one.start("org_a", "slow", "p", 25)
    clock.now += 25
    with pytest.raises(SlowQueryError, match="25 s"):
        slow.must_go_on()
    assert not other.cancel("org_a", "slow")


@pytest.fixture
def served(bundle: Path, tmp_path: Path) -> tuple[Router, Table]:
    assert bundle.is_dir()
    asked, metadata = queries(tmp_path)
    api = QueryApi(asked, KnownUsers({"k": LEAST + 7}).numbers)
    functions = {"POST /v1/query": api.ask, "DELETE /v1/query/{id}": api.cancel}
    rates = Rates(LocalBuckets(), lambda _: Limits(1e6, 1e6, 1e6, 1e6))
    guard = Guard(rates, Denials(metadata))
    return Router(functions, pytest.fail, load_operations(), guard=guard), metadata


def call(
    router: Router, route: str, body: Any = None, *, org: str = "org_a", scopes: str = "", **path: str
) -> Any:
    answer = router(
        {
            "routeKey": route,
            "body": None if body is None else orjson.dumps(body).decode(),
            "pathParameters": path,
            "requestContext": {
                "requestId": "r",
                "authorizer": {
                    "lambda": {
                        "org": org,
                        "principal": "p",
                        "scopes": scopes or "query:run dataset:*",
                        "id": "k",
                    }
                },
            },
        }
    )
    return answer["statusCode"], orjson.loads(answer["body"]), answer["headers"]


def lines(metadata: Table, org: str) -> list[tuple[str, dict[str, Any]]]:
    rows = metadata.query("entityTypeKey = :key", {":key": {"S": audit.partition(org)}})
    found = [audit.of_item(org, row) for row in rows]
    return [(line.action, orjson.loads(line.detail)) for line in found]


def test_every_answer_has_its_status_and_its_line_of_the_audit(served: tuple[Router, Table]) -> None:
    router, metadata = served
    run = "POST /v1/query"
    status, body, _ = call(
        router, run, {"sql": "select org_id, count(*) from silver.order_created_v1 group by 1"}
    )
    assert (status, body["rows"], body["rowCount"], body["truncated"]) == (200, [["org_a", 4]], 1, False)
    for sql, status, code in (
        ("selec 1", 400, "sql"),
        ("select * from silver.nothing", 400, "sql"),
        ("drop table silver.x", 403, "refused"),
        ("select getenv('HOME')", 403, "refused"),
        ("select meta_shipping_address_street from silver.order_created_v1", 403, "refused"),
    ):
        answered, problem, headers = call(router, run, {"sql": sql})
        assert (answered, problem["code"], headers["content-type"]) == (
            status,
            code,
            "application/problem+json",
        )
    assert call(router, run, {"sql": "select 1"}, scopes="catalog:read dataset:*")[0] == 403, (
        "without the right"
    )
    status, problem, _ = call(
        router, run, {"sql": "select 1 from silver.order_created_v1"}, scopes="query:run dataset:marts.*"
    )
    assert (status, "may read" in problem["detail"]) == (403, True)
    assert call(router, run, {"sql": "show tables"}, scopes="query:run dataset:gold.user_1h")[1]["rows"] == [
        ["gold.user_1h"],
    ]
    status, problem, _ = call(router, run, {"sql": "select committed_at from lake.snapshots"})
    assert (status, "may read" in problem["detail"]) == (403, True)
    for bad in ({}, {"sql": ""}, {"sql": "select 1", "limit": 10_001}, {"sql": "select 1", "format": "csv"}):
        assert call(router, run, bad)[0] == 400, bad
    written = lines(metadata, "org_a")
    assert [action for action, _ in written] == [
        "query.run",
        "query.denied",
        "query.denied",
        "query.denied",
        "access.denied",
        "query.denied",
        "query.run",
        "query.denied",
    ]
    assert written[0][1]["tables"] == ["silver.order_created_v1"]
    assert written[0][1]["rows"] == 1
    assert len(written[0][1]["sha256"]) == 64
    assert (
        written[3][1]["reason"]
        == "the column meta_shipping_address_street is restricted: SQL does not show it"
    )
    assert [one["sql"] for _, one in written[:3]] == [
        "select org_id, count(*) from silver.order_created_v1 group by ?",
        "drop table silver.x",
        "select getenv(?)",
    ]


def test_a_query_is_cancelled_by_its_tenant_alone(served: tuple[Router, Table]) -> None:
    router, metadata = served
    answers: list[Any] = []
    started = threading.Thread(
        target=lambda: answers.append(call(router, "POST /v1/query", {"sql": ENDLESS, "id": "mine"}))
    )
    started.start()
    cancelled = False
    while started.is_alive() and not cancelled:
        assert call(router, "DELETE /v1/query/{id}", org="org_b", id="mine")[0] == 404
        cancelled = call(router, "DELETE /v1/query/{id}", id="mine")[0] == 200
    started.join()
    ((status, problem, _),) = answers
    assert (status, problem["code"]) == (409, "cancelled")
    assert call(router, "DELETE /v1/query/{id}", id="mine")[0] == 404, "it is over"
    assert [action for action, _ in lines(metadata, "org_a")] == ["query.cancel", "query.failed"]
