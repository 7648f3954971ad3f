"""A list over the shards of a type: in order and whole, in pages, while the number of shards grows between them."""

import random
import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.contracts.registry import Registry
from millrace.core import clock, keys
from millrace.core.table import Item, Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.reader import EventReader
from millrace.eventstore.row import to_item
from tests.support import events, rows
from tests.support.people import person
from tests.support.stores import MemoryDynamoDB

ORG, TYPE = "org_acme", "order.created"
START = datetime(2026, 11, 21, 5, 54, 16, tzinfo=UTC)
NEVER = {"N": "99999999999"}
BODY: Item = {
    "eventType": {"S": TYPE},
    "dict": {"S": "none"},
    "body": {"B": b"{}"},
    "fingerprint": {"B": b""},
}


class Plain(Codec):
    """Bodies as they are: these tests look at keys."""

    def __init__(self) -> None:
        super().__init__(lambda _: b"")

    def unpack(self, packed: bytes, dictionary: str) -> bytes:
        return packed


class Watched(MemoryDynamoDB):
    """Counts the queries and the keys that they read, by partition."""

    def __init__(self) -> None:
        super().__init__()
        self.queries: list[tuple[str, int]] = []

    def query(self, **how: Any) -> dict[str, Any]:
        answer: dict[str, Any] = super().query(**how)
        self.queries.append((how["ExpressionAttributeValues"][":value"]["S"], len(answer["Items"])))
        return answer

    def read(self) -> Counter[str]:
        """Keys by partition since the last call."""
        counted: Counter[str] = Counter()
        for partition, count in self.queries:
            counted[partition] += count
        self.queries.clear()
        return counted

    def add(self, after: int, event_id: str, shards: int, *, org: str = ORG) -> str:
        """Stores an event of so many milliseconds after `START` as a function with so many shards does; returns its sort key."""
        sort_key = keys.sort(START + timedelta(milliseconds=after), event_id)
        key = keys.by_type(org, TYPE, keys.shard_of(event_id, shards))
        item = {"eventId": {"S": keys.event(org, event_id)}, "typeKey": {"S": key}, "expiresAt": NEVER}
        self.put_item(TableName="Events", Item={**BODY, **item, "sortKey": {"S": sort_key}})
        return sort_key


def page(
    dynamodb: MemoryDynamoDB, shards: int, size: int, after: str | None = None, org: str = ORG
) -> list[str]:
    """Positions of a page, by a reader that was just deployed with so many shards."""
    reader = EventReader(Table(dynamodb, "Events"), Table(dynamodb, "UserEvents"), Plain(), shards)
    listed = reader.listed(org, reader.of_type(org, TYPE), None, None, after, size)
    return [one.position for one in islice(listed, size)]


@dataclass(frozen=True)
class Step:
    """Between two pages: the shards from then on, how large the next page is, and what old and new functions write."""

    growth: int
    size: int
    written: tuple[
        tuple[int, bool], ...
    ]  # milliseconds after START, and whether by a function of before the growth


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from([1, 1, 2, 3, 4]),
        st.integers(1, 6),
        st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=8).map(tuple),
    ),
    min_size=1,
    max_size=6,
)


@given(STEPS, st.integers(0, 2**32))
def test_pages_are_whole_while_shards_are_added_and_old_functions_write(steps: list[Step], seed: int) -> None:
    dynamodb, rng, shards, cursor = Watched(), random.Random(seed), 1, None
    stored: set[str] = set()
    for step in steps:
        before, shards = shards, min(16, shards * step.growth)
        for after, is_old in step.written:
            event_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
            stored.add(dynamodb.add(after, event_id, before if is_old else shards))
        found = page(dynamodb, shards, step.size, cursor)
        behind = sorted((key for key in stored if cursor is None or key < cursor), reverse=True)
        assert found == behind[: step.size]
        # With a cursor its own key as well, which a query cannot leave out.
        assert max(dynamodb.read().values()) <= step.size + (cursor is not None)
        cursor = found[-1] if found else cursor
    # From here on whatever is left comes, once each.
    rest = page(dynamodb, shards, len(stored) + 1, cursor)
    assert rest == sorted((key for key in stored if cursor is None or key < cursor), reverse=True)


@pytest.mark.parametrize("shards", [1, 2, 4, 8])
def test_a_page_reads_each_shard_once_and_no_more_than_it_shows(shards: int) -> None:
    dynamodb, rng = Watched(), random.Random(3)
    for number in range(400):
        dynamodb.add(number, events.new_id(rng), shards)
    first = page(dynamodb, shards, 51)
    assert (len(first), len(dynamodb.queries)) == (51, shards)
    assert max(dynamodb.read().values()) <= 51
    second = page(dynamodb, shards, 51, first[-1])
    assert (len(second), len(dynamodb.queries)) == (51, shards + 1)
    # One more query of the first shard, for keys of milliseconds, which are older than shards.
    assert max(dynamodb.read().values()) <= 52
    whole = page(dynamodb, shards, 501)
    assert whole == sorted(whole, reverse=True)
    assert len(whole) == 400


def test_expired_rows_are_read_past() -> None:
    dynamodb, rng = Watched(), random.Random(7)
    keys_of_rows = [dynamodb.add(number, events.new_id(rng), 4) for number in range(60)]
    living = keys_of_rows[::5]
    for row in dynamodb.tables["Events"].values():
        if row["sortKey"]["S"] not in living:
            row["expiresAt"] = {"N": "1"}
    assert page(dynamodb, 4, 3) == living[::-1][:3]
    assert page(dynamodb, 4, 100) == living[::-1]


def test_keys_of_milliseconds_are_listed_from_the_first_shard() -> None:
    """They were written when there was one; a bound that lies in their millisecond looks for them there."""
    dynamodb = Watched()
    event_id = "0f9f6f0e-6c6c-4a52-9a5e-3d8c3f3f5b11"
    sort_key = dynamodb.add(2, event_id, 1)
    row = dynamodb.tables["Events"][keys.event(ORG, event_id),]
    dynamodb.put_item(
        TableName="Events", Item={**row, "sortKey": {"S": keys.of_milliseconds(sort_key)}, "body": body(2)}
    )
    newer = dynamodb.add(2, "1f9f6f0e-6c6c-4a52-9a5e-3d8c3f3f5b11", 4)
    reader = EventReader(Table(dynamodb, "Events"), Table(dynamodb, "UserEvents"), Plain(), 4)
    found = [one.position for one in reader.listed(ORG, reader.of_type(ORG, TYPE), None, None, newer, 5)]
    assert found == [sort_key]


def body(after: int) -> dict[str, bytes]:
    moment = clock.utc_micros(START + timedelta(milliseconds=after))
    event = '{"eventId": "0f9f6f0e-6c6c-4a52-9a5e-3d8c3f3f5b11", "timestamp": "%s"}'
    return {"B": (event % moment).encode()}


def test_another_tenant_is_in_no_page() -> None:
    dynamodb, rng = Watched(), random.Random(5)
    mine = {dynamodb.add(n % 3, events.new_id(rng), 4) for n in range(40)}
    theirs = {dynamodb.add(n % 3, events.new_id(rng), 4, org="org_globex") for n in range(40)}
    assert set(page(dynamodb, 4, 100)) == mine
    assert set(page(dynamodb, 4, 100, org="org_globex")) == theirs


@given(st.uuids().map(str), st.integers(1, 64))
def test_a_shard_follows_from_the_name_alone(name: str, shards: int) -> None:
    found = keys.shard_of(name, shards)
    assert 0 <= found < shards
    assert keys.shard_of(name, shards) == found


def test_shards_are_known_values() -> None:
    """Another hash would write an event that is stored again into another place."""
    known = {
        "8b0a1d5c-2f37-4c1e-9d55-0c6f5f1c7e42": [0, 0, 2, 6],
        "org_acme#2026-11-21": [0, 1, 3, 7],
    }
    for name, found in known.items():
        assert [keys.shard_of(name, shards) for shards in (1, 2, 4, 8)] == found


@pytest.mark.parametrize("shards", [2, 4, 8, 16])
def test_events_are_spread_evenly(shards: int) -> None:
    rng = random.Random(1)
    for ids in ([events.new_id(rng) for _ in range(8000)], [f"evt-{n:06}" for n in range(8000)]):
        counted = Counter(keys.shard_of(one, shards) for one in ids)
        assert len(counted) == shards
        assert max(counted.values()) < 1.2 * 8000 / shards


def test_only_the_key_by_type_says_the_shard(bundle: Path) -> None:
    registry = Registry(bundle)
    codec, contract = Codec(registry.dictionary), registry.find(TYPE)
    event = events.order(version="1.2.0", userId="usr_4711")
    one = rows.item(event, contract, codec, random.Random(1))
    number = str(person(ORG, "user:usr_4711").subject)
    envelope = {
        **event,
        "userId": number,
        "platform": {"orgId": ORG, "receivedAt": one["receivedAt"]["S"], "requestId": "r"},
    }
    sharded, upper = (
        to_item({**envelope, "eventId": event_id}, contract, bytes(16), codec, type_shards=8)
        for event_id in (event["eventId"], event["eventId"].upper())
    )
    shard = keys.shard_of(event["eventId"], 8)
    assert sharded["typeKey"] == upper["typeKey"] == {"S": f"{ORG}#{TYPE}#{shard}"}
    for name in ("userKey", "correlationKey", "entityKey", "sortKey", "eventId"):
        assert sharded[name] == one[name]
