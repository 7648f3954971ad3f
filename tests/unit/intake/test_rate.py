"""A tenant's rate: a burst is taken, a flood is asked to come back, and no tenant pays for another."""

import pytest

from millrace.core.http import Problem
from millrace.intake.rate import RateLimiter


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
def limiter(clock: Clock) -> RateLimiter:
    return RateLimiter(100, burst_seconds=10, clock=clock)


def refused(limiter: RateLimiter, org: str, events: int) -> Problem:
    with pytest.raises(Problem) as caught:
        limiter.take(org, events)
    return caught.value


def test_a_burst_is_taken_and_a_flood_is_not(limiter: RateLimiter, clock: Clock) -> None:
    limiter.take("org_a", 1000)
    problem = refused(limiter, "org_a", 150)
    assert problem.status == 429
    # 150 events at 100 a second.
    assert problem.headers["retry-after"] == "2"
    clock.now = 1.5
    limiter.take("org_a", 150)
    assert refused(limiter, "org_a", 1).headers["retry-after"] == "1"


def test_a_refused_request_takes_nothing(limiter: RateLimiter, clock: Clock) -> None:
    limiter.take("org_a", 1000)
    for _ in range(5):
        refused(limiter, "org_a", 100)
    clock.now = 1.0
    limiter.take("org_a", 100)


def test_a_pause_saves_no_more_than_a_burst(limiter: RateLimiter, clock: Clock) -> None:
    clock.now = 3600.0
    limiter.take("org_a", 1000)
    refused(limiter, "org_a", 1)


def test_a_request_larger_than_any_burst_passes_when_the_bucket_is_full(limiter: RateLimiter) -> None:
    limiter.take("org_a", 5000)
    assert int(refused(limiter, "org_a", 1).headers["retry-after"]) > 30


def test_each_tenant_has_a_rate_of_its_own(limiter: RateLimiter) -> None:
    limiter.take("org_a", 1000)
    limiter.take("org_b", 1000)
