"""A pointer of UserEvents: as long as its event's row, found by type only where the contract asks."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from millrace.contracts.contract import Contract
from millrace.contracts.registry import Registry, load
from millrace.eventstore.codec import Codec
from millrace.eventstore.projection import to_pointer
from millrace.eventstore.row import StoredEvent, from_item
from tests.support import events, rows
from tests.support.rows import pointed_at


@pytest.fixture
def registry(bundle: Path) -> Registry:
    return load(bundle)


@pytest.fixture
def contract(registry: Registry) -> Contract:
    return registry.find("order.created")


@pytest.fixture
def stored(registry: Registry, contract: Contract) -> StoredEvent:
    codec = Codec(registry.dictionary)
    event = events.order(sessionId="sess_1", timestamp="2026-11-18T09:30:00.000Z", version="1.2.0")
    return from_item(rows.item(event, contract, codec, random.Random(1)), codec)


def test_it_goes_with_the_row_it_points_to(stored: StoredEvent, contract: Contract) -> None:
    pointer = to_pointer(stored, contract)
    assert pointer is not None
    assert pointer["expiresAt"] == {"N": str(stored.expires_at)}
    assert pointed_at(pointer) == (stored.org, stored.event_id)


def test_by_type_it_is_found_only_where_the_contract_asks(stored: StoredEvent, contract: Contract) -> None:
    plain = to_pointer(stored, contract)
    asked = to_pointer(stored, replace(contract, indexes=contract.indexes | {"userType"}))
    assert plain is not None
    assert asked is not None
    assert "typeKey" not in plain
    assert asked["typeKey"] == {"S": "org_acme#order.created#0"}
    assert {name: value for name, value in asked.items() if name not in {"typeKey", "projectedAt"}} == {
        name: value for name, value in plain.items() if name != "projectedAt"
    }


def test_without_a_user_it_is_its_sessions_and_without_either_there_is_none(
    stored: StoredEvent, contract: Contract
) -> None:
    nobody = {name: value for name, value in stored.envelope.items() if name != "userId"}
    pointer = to_pointer(replace(stored, envelope=nobody), contract)
    assert pointer is not None
    assert pointer["userKey"] == {"S": "org_acme#session:sess_1"}
    alone = {name: value for name, value in nobody.items() if name != "sessionId"}
    assert to_pointer(replace(stored, envelope=alone), contract) is None
