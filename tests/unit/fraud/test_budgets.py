"""What a cold function needs for its first calls, and what others need, costs no transaction its decision."""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts.registry import Registry
from millrace.core.consumer import Delivery
from millrace.core.errors import RetryableError
from millrace.core.table import Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.codec import Codec
from millrace.eventstore.emit import Emitter
from millrace.eventstore.row import from_item
from millrace.features.rows import Marker
from millrace.fraud import rulebook
from millrace.fraud.consumer import Scorer
from millrace.fraud.store import UserSetStore
from millrace.model_registry.rows import Alias
from millrace.scoring.batch import Batch, ScoringRequest
from millrace.scoring.champion import Champion
from millrace.scoring.champions import Champions
from tests.support import events
from tests.support.stores import MemoryDynamoDB
from tests.unit.fraud.test_derived import NOW, row

BUDGET_MS = 50
SLOW_SECONDS = 0.4


@pytest.fixture(scope="module")
def registry(bundle: Path) -> Registry:
    return Registry(bundle)


class SlowDynamoDB(MemoryDynamoDB):
    """Whose calls take as long as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: dict[str, Callable[[], float]] = {}

    def batch_get_item(self, **call: Any) -> dict[str, Any]:
        time.sleep(self.pauses.get("read", lambda: 0.0)())
        answer: dict[str, Any] = super().batch_get_item(**call)
        return answer

    def update_item(self, **call: Any) -> dict[str, Any]:
        time.sleep(self.pauses.get("update", lambda: 0.0)())
        answer: dict[str, Any] = super().update_item(**call)
        return answer


def scorer(registry: Registry, dynamodb: MemoryDynamoDB, cold_ms: int, budget_ms: int = BUDGET_MS) -> Scorer:
    return Scorer(
        UserSetStore(Table(dynamodb, "FeatureStore")),
        Emitter(registry, Appender({"table": TableAppender(Table(dynamodb, "Events"))})),
        rulebook.load(),
        Codec(registry.dictionary),
        features_budget_ms=budget_ms,
        cold_budget_ms=cold_ms,
    )


def deliveries(registry: Registry, users: int) -> list[Delivery]:
    sent = [events.transaction(user=user) for user in range(users)]
    return [Delivery(row(registry, event), "s", str(n), NOW, {}) for n, event in enumerate(sent)]


def fallbacks(registry: Registry, dynamodb: MemoryDynamoDB) -> list[str | None]:
    codec = Codec(registry.dictionary)
    found = [from_item(item, codec).envelope for item in dynamodb.tables["Events"].values()]
    return [one["data"]["payload"]["fallback"] for one in found]


def slow_once() -> Callable[[], float]:
    times = iter([SLOW_SECONDS])
    return lambda: next(times, 0.0)


@pytest.mark.parametrize("call", ["read", "update"])
def test_a_slow_first_call_costs_no_decision(registry: Registry, call: str) -> None:
    dynamodb = SlowDynamoDB()
    dynamodb.pauses[call] = slow_once()
    scorer(registry, dynamodb, 30_000).score(deliveries(registry, 20))
    assert fallbacks(registry, dynamodb) == [None] * 20


@pytest.mark.parametrize("call", ["read", "update"])
def test_a_warm_function_decides_without_late_sets_and_retries(registry: Registry, call: str) -> None:
    dynamodb = SlowDynamoDB()
    warm = scorer(registry, dynamodb, 30_000)
    warm.score(deliveries(registry, 1))
    dynamodb.pauses[call] = slow_once()
    with pytest.raises(RetryableError):
        warm.score(deliveries(registry, 1))
    assert fallbacks(registry, dynamodb) == [None, "velocity"]


def test_users_whose_rows_take_too_long_together_are_read_in_parts(registry: Registry) -> None:
    dynamodb = SlowDynamoDB()
    warm = scorer(registry, dynamodb, 30_000, budget_ms=2000)
    # Of many users, so that there are threads beside the one whose read takes long.
    warm.score(deliveries(registry, 20))
    parts = threading.Event()
    together = iter([lambda: parts.wait(30)])

    def read() -> float:
        # The first read does not end before the next one has begun.
        next(together, parts.set)()
        return 0.0

    dynamodb.pauses["read"] = read
    warm.score(deliveries(registry, 60))
    assert fallbacks(registry, dynamodb) == [None] * 80


def test_a_batch_of_many_users_has_the_time_of_many(registry: Registry) -> None:
    """Each update takes a fifth of a user's budget: 160 users take ten turns of sixteen, and so twice that."""
    dynamodb = SlowDynamoDB()
    # Long enough for a busy machine to wake sixteen threads ten times.
    budget_ms = 1000
    cold = scorer(registry, dynamodb, 30_000, budget_ms=budget_ms)
    cold.score(deliveries(registry, 1))
    dynamodb.pauses["update"] = lambda: budget_ms / 5000
    cold.score(deliveries(registry, 160))
    assert fallbacks(registry, dynamodb) == [None] * 161


class Slow:
    """A registry whose answer for one tenant does not come before the others' were asked for."""

    def __init__(self, tenant: str) -> None:
        self._tenant, self._others = tenant, threading.Event()

    def alias(self, org: str) -> Alias | None:
        if org == self._tenant:
            self._others.wait(30)
        else:
            self._others.set()
        return None

    def load(self, alias: Alias) -> Champion:
        raise AssertionError("nothing is deployed, so nothing is loaded")

    def markers(self, champion: Champion) -> Mapping[str, Marker | None]:
        raise AssertionError("nothing is deployed, so nothing is loaded")


def test_no_tenant_waits_for_its_model_behind_anothers() -> None:
    asked = [ScoringRequest(org, {}, 0) for org in ("org_slow", "org_other")]
    begun = time.monotonic()
    said = Batch(Champions(Slow("org_slow")), asked, 20).answers({})
    assert said == [None, None]
    assert time.monotonic() - begun < 20
