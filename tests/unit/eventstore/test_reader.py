"""Lists keep to their bounds, and an event whose time is over is gone at once, though its row may stay for days."""

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from millrace.contracts.registry import Registry
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.reader import EventReader
from tests.support import events, rows
from tests.support.stores import MemoryDynamoDB

ORG = "org_acme"


@pytest.mark.parametrize(("expires_at", "there"), [(1, False), (99_999_999_999, True)])
def test_an_expired_event_is_neither_read_nor_listed(bundle: Path, expires_at: int, there: bool) -> None:
    registry, dynamodb = Registry(bundle), MemoryDynamoDB()
    codec, event = Codec(registry.dictionary), events.order(version="1.2.0")
    item = rows.item(event, registry.find("order.created"), codec, random.Random(1))
    dynamodb.put_item(TableName="Events", Item={**item, "expiresAt": {"N": str(expires_at)}})
    reader = EventReader(Table(dynamodb, "Events"), Table(dynamodb, "UserEvents"), codec)
    assert (reader.get(ORG, event["eventId"]) is not None) is there
    assert (reader.one(ORG, event["eventId"]) is not None) is there
    listed = list(reader.listed(ORG, reader.of_type(ORG, "order.created"), None, None, None, 10))
    assert len(listed) == there


def test_a_list_begins_with_its_first_moment_and_ends_before_its_last(bundle: Path) -> None:
    registry, dynamodb = Registry(bundle), MemoryDynamoDB()
    codec, contract = Codec(registry.dictionary), registry.find("order.created")
    moments = [datetime(2026, 11, 20, hour, tzinfo=UTC) for hour in range(4)]
    for moment in moments:
        event = events.order(version="1.2.0", timestamp=moment.isoformat())
        item = rows.item(event, contract, codec, random.Random(moment.hour))
        dynamodb.put_item(TableName="Events", Item={**item, "expiresAt": {"N": "99999999999"}})
    reader = EventReader(Table(dynamodb, "Events"), Table(dynamodb, "UserEvents"), codec)
    listed = reader.listed(ORG, reader.of_type(ORG, "order.created"), moments[1], moments[3], None, 10)
    assert [one.position[:13] for one in listed] == ["2026-11-20T02", "2026-11-20T01"]
