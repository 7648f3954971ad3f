"""Events of the platform's own: each stored once, the same whenever it is emitted, and never in another's place."""

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.contracts.registry import Registry
from millrace.core.errors import PermanentError, RetryableError
from millrace.core.table import Item, Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.codec import Codec
from millrace.eventstore.derived_ids import as_uuid, event_id
from millrace.eventstore.emit import Emitter, PlatformEvent, derived, derived_id, stated
from millrace.eventstore.row import StoredEvent, from_item
from tests.support.stores import MemoryDynamoDB

AT, LATER = "2026-11-21T12:00:00.000Z", "2026-11-21T13:00:00.000Z"
TYPE = "quality.check.failed"


@pytest.fixture(scope="module")
def registry(bundle: Path) -> Registry:
    return Registry(bundle)


@pytest.fixture
def dynamodb() -> MemoryDynamoDB:
    return MemoryDynamoDB()


@pytest.fixture
def emitter(registry: Registry, dynamodb: MemoryDynamoDB) -> Emitter:
    return _emitter(registry, dynamodb)


def _emitter(
    registry: Registry, dynamodb: MemoryDynamoDB, log: Callable[[str], None] = lambda _: None
) -> Emitter:
    return Emitter(registry, Appender({"table": TableAppender(Table(dynamodb, "Events"))}), log)


def _check(name: str = "not_null(user_id)", at: str = AT, **more: Any) -> PlatformEvent:
    payload = {
        "table": "silver.order_created_v1",
        "check": name,
        "severity": "warning",
        "failed": 1,
        "rows": 2,
        "day": "2026-11-20",
        "runId": at,
    }
    return stated(
        TYPE,
        org="org_acme",
        source="millrace.quality",
        at=at,
        payload={**payload, **more},
        parts=("test", name),
    )


def _stored(registry: Registry, dynamodb: MemoryDynamoDB) -> dict[str, Any]:
    """Envelope by id."""
    rows = dynamodb.tables.get("Events", {}).values()
    envelopes = [from_item(row, Codec(registry.dictionary)).envelope for row in rows]
    return {envelope["eventId"]: envelope for envelope in envelopes}


def test_the_envelope_says_whose_it_is_and_that_it_is_its_own_request(
    registry: Registry, dynamodb: MemoryDynamoDB, emitter: Emitter
) -> None:
    event = _check()
    emitter.emit([event])
    envelope = _stored(registry, dynamodb)[event.event_id]
    assert envelope["eventSource"] == "millrace.quality"
    assert envelope["timestamp"] == AT
    assert envelope["platform"] == {
        "orgId": "org_acme",
        "receivedAt": AT,
        "requestId": event.event_id,
        "category": "system-events",
        "contract": registry.find(TYPE).ref,
        "day": "2026-11-21",
    }


def test_an_event_that_is_emitted_a_second_time_stays_as_it_is_stored(
    registry: Registry, dynamodb: MemoryDynamoDB
) -> None:
    lines: list[str] = []
    emitter = _emitter(registry, dynamodb, lines.append)
    emitter.emit([_check(), _check("unique(order_id)")])
    before = _stored(registry, dynamodb)
    emitter.emit([_check(at=LATER), _check("unique(order_id)", at=LATER)])
    assert _stored(registry, dynamodb) == before
    assert len(before) == 2
    assert lines == []


def test_events_of_a_type_are_spread_over_its_shards(registry: Registry, dynamodb: MemoryDynamoDB) -> None:
    appender = Appender({"table": TableAppender(Table(dynamodb, "Events"))})
    Emitter(registry, appender, type_shards=4).emit([_check(f"unique({name})") for name in range(60)])
    found = {row["typeKey"]["S"] for row in dynamodb.tables["Events"].values()}
    assert found == {f"org_acme#{TYPE}#{shard}" for shard in range(4)}


def test_nothing_is_stored_if_one_event_does_not_keep_its_contract(
    dynamodb: MemoryDynamoDB, emitter: Emitter
) -> None:
    with pytest.raises(PermanentError, match=TYPE):
        emitter.emit([_check(), _check("range(amount)", severity="fatal")])
    with pytest.raises(PermanentError, match=TYPE):
        emitter.emit([_check(severity="fatal"), _check("range(amount)")], alike=True)
    with pytest.raises(PermanentError, match=TYPE):
        emitter.check(_check(severity="fatal"))
    emitter.check(_check())
    emitter.emit([])
    assert not any(dynamodb.tables.values())


def test_an_event_that_is_not_stored_is_to_be_emitted_again(
    registry: Registry, dynamodb: MemoryDynamoDB, emitter: Emitter
) -> None:
    dynamodb.failing["put_item"] = 1
    both = [_check(), _check("unique(order_id)")]
    with pytest.raises(RetryableError, match=f"emit {TYPE}: 1 of 2 are not stored"):
        emitter.emit(both)
    emitter.emit(both)
    assert set(_stored(registry, dynamodb)) == {one.event_id for one in both}


def test_a_tenant_that_takes_an_id_beforehand_hides_that_event_and_no_other(
    registry: Registry, dynamodb: MemoryDynamoDB
) -> None:
    lines: list[str] = []
    emitter = _emitter(registry, dynamodb, lines.append)
    event, other = _check(), _check("unique(order_id)")
    taken: Item = {
        "eventId": {"S": f"org_acme#{event.event_id}"},
        "fingerprint": {"B": b"a client's"},
        "requestId": {"S": "r-1"},
    }
    dynamodb.put_item(TableName="Events", Item=taken)
    emitter.emit([event, other])
    assert lines == [f"id_taken: {TYPE} {event.event_id} of org_acme is not stored"]
    assert f"org_acme#{other.event_id}" in {row["eventId"]["S"] for row in dynamodb.tables["Events"].values()}


def test_a_derived_event_whose_id_is_taken_is_an_error(
    registry: Registry, dynamodb: MemoryDynamoDB, emitter: Emitter
) -> None:
    emitter.emit([_check()])
    (row,) = dynamodb.tables["Events"].values()
    cause = from_item(row, Codec(registry.dictionary))
    payload = cause.envelope["data"]["payload"]
    event = derived("test", cause, TYPE, payload, happened_at=cause.happened_at, received_at=LATER)
    emitter.emit([event])
    stored = _stored(registry, dynamodb)[event.event_id]
    assert stored["platform"]["derivedFrom"] == cause.event_id
    assert stored["platform"]["receivedAt"] == LATER
    assert stored["timestamp"] == AT
    emitter.emit([event])
    dynamodb.tables["Events"][(f"org_acme#{event.event_id}",)]["fingerprint"] = {"B": b"a client's"}
    with pytest.raises(PermanentError, match=f"^id_taken: {TYPE} of {cause.event_id} is not stored"):
        emitter.emit([event])


def test_the_id_of_a_derived_event_follows_from_its_cause_alone(
    registry: Registry, dynamodb: MemoryDynamoDB, emitter: Emitter
) -> None:
    emitter.emit([_check()])
    (row,) = dynamodb.tables["Events"].values()
    cause = from_item(row, Codec(registry.dictionary))

    def made(cause: StoredEvent, received_at: str) -> str:
        return derived(
            "test", cause, TYPE, {}, happened_at=cause.happened_at, received_at=received_at
        ).event_id

    assert made(cause, AT) == made(cause, LATER) == derived_id("test", cause, TYPE)
    # No client knows the fingerprint, so none can take the id beforehand.
    assert made(replace(cause, fingerprint=b"another"), AT) != made(cause, AT)


@given(st.binary(min_size=32, max_size=32))
def test_an_id_is_cut_as_the_library_cuts_it(digest: bytes) -> None:
    assert as_uuid(digest) == str(uuid.UUID(bytes=digest[:16], version=4))


def test_ids_cut_from_parts_stay_what_they_are() -> None:
    text = b"8:org_acme11:eventbridge5:\xc3\xa4-17"
    digest = hashlib.sha256(text).digest()
    assert event_id("org_acme", "eventbridge", "ä-17") == str(uuid.UUID(bytes=digest[:16], version=4))


def test_a_stated_event_keeps_the_fingerprint_that_its_kind_has_always_had() -> None:
    """Else what is stored already would be taken for another event."""
    one = stated(
        "quality.check.failed",
        org="org_acme",
        source="s",
        at="2026-11-21T00:00:00.000Z",
        payload={},
        parts=("a", "b"),
    )
    assert one.fingerprint == hashlib.sha256(b"fingerprint\na\nb").digest()[: len(one.fingerprint)]
    assert one.event_id == event_id("a", "b")
