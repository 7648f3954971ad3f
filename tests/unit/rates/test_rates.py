"""What an answer says of rates, whose rate it is, and what a tenant's own limits change."""

from typing import Any

import pytest

from millrace.api.route import load_operations
from millrace.core.errors import PermanentError
from millrace.core.http import Caller, Problem
from millrace.core.table import Table
from millrace.rates import tenant_limits
from millrace.rates.buckets import MOST_BUCKETS, Bucket, LocalBuckets, Taken
from millrace.rates.rates import COSTS, Rates
from millrace.rates.tenant_limits import Limits, TenantLimits
from millrace.rates.valkey_buckets import PAUSE_SECONDS, FallingBack
from tests.support.stores import MemoryDynamoDB

LIMITS = Limits(events=100, key_events=50, requests=20, key_requests=10)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rates(clock: Clock) -> Rates:
    return Rates(LocalBuckets(clock), lambda _: LIMITS)


def caller(key: str = "key-1", org: str = "org_a") -> Caller:
    return Caller(org, "shop", frozenset(), id=key)


def refused(rates: Rates, who: Caller, events: int) -> Problem:
    with pytest.raises(Problem) as caught:
        rates.take_events(who, events)
    assert caught.value.status == 429
    return caught.value


def test_headers_say_what_may_be_asked_for_and_what_is_left(rates: Rates) -> None:
    headers = rates.take_events(caller(), 100)
    assert headers["ratelimit-policy"] == '"tenant";q=1000;w=10, "key";q=500;w=10'
    assert headers["ratelimit"] == '"tenant";r=900;t=1, "key";r=400;t=2'


def test_a_credential_that_asks_for_too_much_leaves_the_others_theirs(rates: Rates, clock: Clock) -> None:
    rates.take_events(caller("key-1"), 500)
    problem = refused(rates, caller("key-1"), 75)
    # 75 events at 50 a second.
    assert problem.headers["retry-after"] == "2"
    assert problem.headers["ratelimit"].endswith('"key";r=0;t=10')
    assert problem.extra == {
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "violated-policies": ["key"],
    }
    assert "of this credential" in problem.detail
    rates.take_events(caller("key-2"), 500)
    # Both together have taken what the tenant has.
    assert refused(rates, caller("key-3"), 1).extra["violated-policies"] == ["tenant"]
    rates.take_events(caller("key-1", org="org_b"), 500)
    clock.now = 2.0
    rates.take_events(caller("key-1"), 75)


def test_calls_cost_what_they_make_of_work(rates: Rates) -> None:
    left = rates.take_request(caller(), "GET /v1/events")["ratelimit"]
    assert '"key";r=99;' in left
    left = rates.take_request(caller(), "POST /v1/quarantine/replay")["ratelimit"]
    assert '"key";r=79;' in left
    # Events are counted apart.
    assert '"key";r=499;' in rates.take_events(caller(), 0)["ratelimit"]


def test_tokens_have_policies_of_their_own(rates: Rates, clock: Clock) -> None:
    for _ in range(3):
        rates.take_tokens(caller(), 90)
    with pytest.raises(Problem) as caught:
        rates.take_tokens(caller("key-2"), 90)
    problem = caught.value
    assert problem.headers["ratelimit"] == '"tenant-tokens";r=30;t=54, "key-tokens";r=300;t=0'
    assert problem.headers["retry-after"] == "12"
    assert (problem.extra["violated-policies"], "of this tenant" in problem.detail) == (
        ["tenant-tokens"],
        True,
    )
    assert '"tenant";r=199;' in rates.take_request(caller(), "GET /v1/events")["ratelimit"]


def test_what_has_a_price_is_a_route(bundle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILLRACE_BUNDLE", str(bundle))
    # What another part brings is priced before it is there.
    assert COSTS.keys() - {"POST /v1/query", "GET /v1/events/story"} <= load_operations().keys()


def test_local_buckets_are_bounded_in_number() -> None:
    buckets = LocalBuckets()
    for number in range(MOST_BUCKETS + 50):
        buckets.take([Bucket(f"b{number}", 1, 10)], 10)
    assert len(buckets._kept) == MOST_BUCKETS
    # The oldest are forgotten, and full again.
    assert buckets.take([Bucket("b0", 1, 10)], 10).given
    assert not buckets.take([Bucket(f"b{MOST_BUCKETS + 49}", 1, 10)], 10).given


class Broken:
    """A server that does not answer, until a test repairs it."""

    def __init__(self) -> None:
        self.calls, self.works = 0, False

    def take(self, buckets: Any, cost: float) -> Taken:
        self.calls += 1
        if not self.works:
            raise TimeoutError("gone")
        return Taken(True, [7.0 for _ in buckets])


def test_a_server_that_does_not_answer_refuses_nobody_and_is_asked_again_later(clock: Clock) -> None:
    said: list[str] = []
    server = Broken()
    buckets = FallingBack(server, LocalBuckets(clock), said.append, clock)
    one = [Bucket("b", 1, 10)]
    assert buckets.take(one, 10).given
    # It is counted here meanwhile, and the server is left alone.
    assert not buckets.take(one, 10).given
    assert (server.calls, buckets.failures, len(said)) == (1, 1, 1)
    clock.now = PAUSE_SECONDS
    buckets.take(one, 1)
    assert (server.calls, buckets.failures) == (2, 2)
    server.works = True
    clock.now = 2 * PAUSE_SECONDS
    assert buckets.take(one, 1).tokens == [7.0]


def test_a_tenants_own_limits_are_read_once_a_minute(clock: Clock) -> None:
    client = MemoryDynamoDB()
    metadata = Table(client, "Metadata")
    assert tenant_limits.write(metadata, "org_a", {"events": 5, "key_requests": 0.5}) == {
        "events": 5,
        "key_requests": 0.5,
    }
    limits = TenantLimits(metadata, LIMITS, clock)
    client.calls.clear()
    assert limits.of("org_a") == Limits(5, 50, 20, 0.5)
    assert limits.of("org_b") == LIMITS
    assert limits.of("org_a").events == 5
    assert client.calls["get_item"] == 2
    assert tenant_limits.write(metadata, "org_a", {"events": None}) == {"key_requests": 0.5}
    clock.now = 61.0
    assert limits.of("org_a").events == 100
    # A table that does not answer decides nothing: what was known stays.
    client.down = {"*", "get_item"}
    clock.now = 122.0
    assert limits.of("org_a").key_requests == 0.5


@pytest.mark.parametrize(
    "changes", [{"rate": 1}, {"events": 0}, {"events": -1}, {"events": 2e6}, {"events": float("nan")}]
)
def test_limits_that_are_none_are_refused(changes: dict[str, float | None]) -> None:
    with pytest.raises(PermanentError):
        tenant_limits.write(Table(MemoryDynamoDB(), "Metadata"), "org_a", changes)
