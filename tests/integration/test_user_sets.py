"""The store of users' sets on the DynamoDB in memory, on which fraud is proven, and on moto: the same answers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from millrace.core.table import KEYS_PER_CALL, Table
from millrace.eventstore.tables import FeatureStore
from millrace.fraud.store import UserSetStore
from millrace.fraud.user import UserSets
from tests.support.stores import MemoryDynamoDB

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
USER = ("org_acme", "596")


@pytest.fixture(params=["memory", "moto"])
def dynamodb(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Each in turn, with an empty table."""
    if request.param == "memory":
        yield MemoryDynamoDB()
        return
    with mock_aws():
        FeatureStore.create_table(billing_mode="PAY_PER_REQUEST")
        yield boto3.client("dynamodb")


def test_the_user_set_store_adds_and_reads_the_same(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # moto reads an expression by recursion, and does not get through 200 clauses.
    monkeypatch.setattr("millrace.fraud.store.ATTRIBUTES_PER_UPDATE", 20)
    store = UserSetStore(Table(dynamodb, "FeatureStore"))
    assert store.read([USER]).sets == {USER: UserSets()}
    added = {f"m{minute}": [b"%d" % minute] for minute in range(50)}
    after = store.add(USER, {**added, "devices": [b"d"], "d7": [b"x", b"y"]}, ["m1000"], NOW)
    assert len(after.minutes) == 50
    assert after.days == {7: frozenset({b"x", b"y"})}
    assert after.seen == {"devices": frozenset({b"d"})}
    assert store.add(USER, {"m0": [b"0"]}, ["m1", "m2"], NOW).minutes.keys() == after.minutes.keys() - {1, 2}
    assert store.add(USER, {}, [], NOW) == store.read([USER]).sets[USER]
    others = [("org_acme", str(number)) for number in range(2 * KEYS_PER_CALL)]
    found = store.read([*others, USER, ("org_globex", "596")]).sets
    assert {user for user, held in found.items() if held.minutes} == {USER}
