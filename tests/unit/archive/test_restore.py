"""A row of Events made again from raw is the row that intake wrote, whatever its contract says by now."""

import random
from dataclasses import replace
from pathlib import Path

from millrace.archive import raw, restore
from millrace.contracts.registry import Registry
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item
from tests.support import events, rows


def test_it_keeps_the_expiry_and_the_dictionary_that_it_had(bundle: Path) -> None:
    registry = Registry(bundle)
    codec, contract = Codec(registry.dictionary), registry.find("order.created")
    item = rows.item(events.order(version="1.2.0"), contract, codec, random.Random(1))
    event = from_item(item, codec)
    today = replace(contract, retention_days=contract.retention_days + 30, dictionary="none")
    restored = restore.to_row(restore.to_event(raw.row(event)), today, codec)
    assert restored["expiresAt"] == item["expiresAt"]
    assert restored["dict"] == item["dict"]
    assert from_item(restored, codec) == event
