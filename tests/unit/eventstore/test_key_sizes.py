"""Every key made of the longest values that intake takes fits the table: 2,048 bytes of a partition, 1,024 of a sort key.

Bytes, not characters: 256 characters of four bytes are 1,024, and an escaped separator takes three.
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from millrace.compiler import samples
from millrace.contracts import formats, registry
from millrace.contracts.pointers import parse
from millrace.core import clock, keys
from millrace.eventstore.codec import Codec
from millrace.eventstore.projection import to_pointer
from millrace.eventstore.row import from_item, to_item
from millrace.features import rows as feature_rows
from millrace.fraud import store as fraud_store
from millrace.intake.enrich import Origin, enrich
from tests.support.contracts import FILES, compiled

PARTITION, SORT = 2_048, 1_024
LONGEST = formats.FORMATS["identifier"]["maxLength"]
ORG = "o" * 63
NOW = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
# Four bytes each, three when escaped, and a name that is escaped as a whole.
VALUES = [
    "😀" * LONGEST,
    "#" * LONGEST,
    "%" * LONGEST,
    "\U0010ffff" * LONGEST,
    "session:" + "#" * (LONGEST - 8),
]
# Of every table and index: what is a sort key, and what else is a key.
SORTS = {"sortKey"}
KEYS = {"eventId", "typeKey", "userKey", "correlationKey", "entityKey", "sessionKey"}


def longest(event: dict[str, Any], path: Any, value: str) -> dict[str, Any]:
    made: dict[str, Any] = {**event, **dict.fromkeys(("userId", "correlationId", "sessionId"), value)}
    for pointer in path.entity.values():
        *above, name = parse(pointer)
        holder = made
        for part in above:
            holder = holder[part]
        if isinstance(holder.get(name), str):
            holder[name] = value
    return made


@pytest.mark.parametrize("value", VALUES, ids=["emoji", "separators", "percents", "last", "session"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_the_keys_of_the_longest_ids_fit(path: Any, value: str, bundle: Any) -> None:
    contract = compiled(path)
    codec = Codec(registry.load().dictionary)
    origin = Origin(ORG, "shop", "r" * 200, NOW)
    for sample in samples.golden(path):
        event = longest(sample, contract, value)
        envelope = enrich(event, contract, origin, clock.parse("9999-12-31T23:59:59.999Z"))
        item = to_item(envelope, contract, b"f" * 17, codec, NOW.replace(year=2026))
        assert {name for name in item if name.endswith("Key")} <= SORTS | KEYS
        pointer = to_pointer(from_item(item, codec), contract) or {}
        for row in (item, pointer):
            for name in SORTS & set(row):
                assert len(row[name]["S"].encode()) <= SORT, name
            for name in KEYS & set(row):
                assert len(row[name]["S"].encode()) <= PARTITION, name


@pytest.mark.parametrize("value", VALUES)
def test_the_keys_of_features_fit(value: str) -> None:
    found = [feature_rows.row_key(ORG, "v" * 64, text) for text in (value, value * 9)]
    assert all(len(key["featureKey"]["S"].encode()) <= PARTITION for key in found)
    assert len({key["featureKey"]["S"] for key in found}) == 2
    assert len(keys.join(ORG, fraud_store.GROUP, value).encode()) <= PARTITION
