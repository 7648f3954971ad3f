"""Whatever valid transaction comes, its decision keeps its contract; and nobody outside can take a decision's id."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from millrace.contracts.registry import Registry
from millrace.core import clock, keys
from millrace.core.consumer import Delivery
from millrace.core.errors import PermanentError, ThrottledError
from millrace.core.table import Item, Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.codec import Codec
from millrace.eventstore.derived_ids import event_id
from millrace.eventstore.emit import Emitter, derived, derived_id
from millrace.eventstore.row import StoredEvent, from_item, to_item
from millrace.fraud import rulebook
from millrace.fraud.consumer import Scorer
from millrace.fraud.decision import CONSUMER, EVENT_TYPE, SOURCE_TYPE
from millrace.fraud.store import UserSetStore
from millrace.intake.enrich import Origin, enrich
from tests.support import events, generate
from tests.support.stores import MemoryDynamoDB
from tests.unit.fraud.test_proof import COUNT

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def registry(bundle: Path) -> Registry:
    return Registry(bundle)


def row(registry: Registry, event: dict[str, Any], fingerprint: bytes = b"f" * 16) -> Item:
    """The row of an accepted transaction."""
    contract = registry.find(event["eventType"])
    happened_at = clock.parse(event["timestamp"])
    envelope = enrich(event, contract, Origin("org_acme", "shop", "r-1", NOW), happened_at)
    return to_item(envelope, contract, fingerprint, Codec(registry.dictionary))


def source(registry: Registry, event: dict[str, Any], fingerprint: bytes = b"f" * 16) -> StoredEvent:
    return from_item(row(registry, event, fingerprint), Codec(registry.dictionary))


def score(registry: Registry, dynamodb: MemoryDynamoDB, *rows: Item) -> None:
    emitter = Emitter(registry, Appender({"table": TableAppender(Table(dynamodb, "Events"))}))
    codec = Codec(registry.dictionary)
    store = UserSetStore(Table(dynamodb, "FeatureStore"))
    scorer = Scorer(store, emitter, rulebook.load(), codec, features_budget_ms=60_000)
    scorer.score([Delivery(item, "shard", str(number), NOW, {}) for number, item in enumerate(rows)])


def decisions(registry: Registry, dynamodb: MemoryDynamoDB) -> list[tuple[Item, StoredEvent]]:
    codec = Codec(registry.dictionary)
    return [(item, from_item(item, codec)) for item in dynamodb.tables["Events"].values()]


@cache
def valid(registry: Registry) -> st.SearchStrategy[dict[str, Any]]:
    contract = registry.find(SOURCE_TYPE)
    judge = registry.validator(contract)
    made = generate.events(contract).filter(lambda event: not judge.errors(event))
    # Most generated transactions share nothing; some of few users, so that sets are met that are not empty.
    few = st.integers(0, 2)
    return st.one_of(made, st.builds(_of_user, made, few, st.sampled_from(["crypto", "Crypto", "cash"])))


def _of_user(event: dict[str, Any], user: int, method: str) -> dict[str, Any]:
    payload = {**event["data"]["payload"], "user_id": user, "payment_method": method}
    return {**event, "data": {**event["data"], "payload": payload}}


def _is_in_time(event: dict[str, Any]) -> bool:
    try:
        clock.parse(event["timestamp"])
    except ValueError:
        return False
    return True


@settings(max_examples=COUNT // 50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_decision_on_valid_transactions_is_valid(registry: Registry, data: st.DataObject) -> None:
    """This stands for what `Emitter` does not judge at run time."""
    sent = data.draw(st.lists(valid(registry), min_size=1, max_size=4, unique_by=lambda one: one["eventId"]))
    assume(all(map(_is_in_time, sent)))
    dynamodb = MemoryDynamoDB()
    # Without the sets as well: then a decision says so.
    dynamodb.failing["update_item"] = data.draw(st.integers(0, 1))
    rows = [row(registry, event) for event in sent]
    with suppress(ThrottledError):
        score(registry, dynamodb, *rows)
    contract = registry.find(EVENT_TYPE)
    found = decisions(registry, dynamodb)
    assert len(found) == len(sent)
    for item, decision in found:
        envelope = {name: value for name, value in decision.envelope.items() if name != "platform"}
        assert registry.validator(contract).errors(envelope) == []
        assert item["sortKey"]["S"] == keys.sort(decision.happened_at, decision.event_id)
        assert item["entityKey"]["S"] == keys.by_entity(
            "org_acme", "transaction", envelope["data"]["payload"]["transactionId"]
        )


def test_a_fault_of_what_is_derived_is_refused_before_anything_is_stored(registry: Registry) -> None:
    dynamodb = MemoryDynamoDB()
    emitter = Emitter(registry, Appender({"table": TableAppender(Table(dynamodb, "Events"))}))
    found = source(registry, events.transaction())
    broken = derived(
        CONSUMER,
        found,
        EVENT_TYPE,
        {"score": "high"},
        happened_at=found.happened_at,
        received_at=clock.utc_text(NOW),
    )
    with pytest.raises(PermanentError, match=EVENT_TYPE):
        emitter.emit([broken, broken], alike=True)
    assert not any(dynamodb.tables.values())


def test_a_decisions_id_hangs_on_what_only_the_platform_knows(registry: Registry) -> None:
    event = events.transaction()
    one = derived_id(CONSUMER, source(registry, event, b"1" * 16), EVENT_TYPE)
    assert one == derived_id(CONSUMER, source(registry, event, b"1" * 16), EVENT_TYPE)
    shouted = {**event, "eventId": event["eventId"].upper()}
    assert one == derived_id(CONSUMER, source(registry, shouted, b"1" * 16), EVENT_TYPE)
    others = {
        derived_id(CONSUMER, source(registry, event, b"2" * 16), EVENT_TYPE),
        derived_id("other", source(registry, event, b"1" * 16), EVENT_TYPE),
        derived_id(CONSUMER, source(registry, event, b"1" * 16), "fraud.case.opened"),
        derived_id(CONSUMER, source(registry, events.transaction(), b"1" * 16), EVENT_TYPE),
        # What anybody could reckon from the transaction alone.
        event_id(CONSUMER, "org_acme", event["eventId"], EVENT_TYPE),
    }
    assert len(others) == 5
    assert one not in others


def test_a_second_delivery_of_the_same_changes_nothing(registry: Registry) -> None:
    dynamodb = MemoryDynamoDB()
    item = row(registry, events.transaction())
    score(registry, dynamodb, item)
    before = decisions(registry, dynamodb)
    score(registry, dynamodb, item)
    assert decisions(registry, dynamodb) == before


def test_an_id_that_is_taken_is_never_taken_for_a_duplicate(registry: Registry) -> None:
    """It cannot be reached from outside; should it happen all the same, it is said and nothing is lost silently."""
    dynamodb = MemoryDynamoDB()
    sent = [row(registry, events.transaction(timestamp=_ago(minutes))) for minutes in range(3)]
    taken = derived_id(CONSUMER, from_item(sent[1], Codec(registry.dictionary)), EVENT_TYPE)
    foreign = row(registry, {**events.order(), "eventId": taken}, b"another client's")
    dynamodb.put_item(TableName="Events", Item=foreign)
    with pytest.raises(PermanentError, match=r"^id_taken: fraud\.decision\.made of "):
        score(registry, dynamodb, *sent)
    kept = [event for _, event in decisions(registry, dynamodb)]
    assert sorted(event.event_type for event in kept) == [EVENT_TYPE, EVENT_TYPE, "order.created"]


def _ago(minutes: int) -> str:
    return clock.utc_text(NOW - timedelta(minutes=minutes))
