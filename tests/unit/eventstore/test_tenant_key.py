"""Each tenant has one fingerprint key of its own, which no other tenant's row can stand for."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from millrace.core.errors import MillraceError
from millrace.core.table import Table
from millrace.eventstore.tenant_key import WrappedTenantKeys
from tests.support.stores import MemoryDynamoDB

ACME, GLOBEX = "org_acme", "org_globex"


class KMS:
    """Wraps a key together with its context, and unwraps it under the same context only."""

    def __init__(self) -> None:
        self.made = 0

    def generate_data_key(self, **call: Any) -> dict[str, bytes]:
        self.made += 1
        key = bytes([self.made]) * call["NumberOfBytes"]
        return {
            "Plaintext": key,
            "CiphertextBlob": json.dumps([key.hex(), call["EncryptionContext"]]).encode(),
        }

    def decrypt(self, **call: Any) -> dict[str, bytes]:
        key, context = json.loads(call["CiphertextBlob"])
        if context != call["EncryptionContext"]:
            raise ClientError({"Error": {"Code": "InvalidCiphertextException"}}, "Decrypt")
        return {"Plaintext": bytes.fromhex(key)}


@pytest.fixture
def dynamodb() -> MemoryDynamoDB:
    return MemoryDynamoDB()


@pytest.fixture
def kms() -> KMS:
    return KMS()


def tenant_keys(dynamodb: MemoryDynamoDB, kms: KMS) -> WrappedTenantKeys:
    """As a new copy of a function has them."""
    return WrappedTenantKeys(Table(dynamodb, "Metadata"), kms, "key-id")


def test_a_tenant_has_one_key_whoever_asks(dynamodb: MemoryDynamoDB, kms: KMS) -> None:
    first, second = tenant_keys(dynamodb, kms), tenant_keys(dynamodb, kms)
    assert first.key(ACME) == first.key(ACME) == second.key(ACME)
    assert first.key(GLOBEX) not in {first.key(ACME), second.key(ACME)}
    assert len(first.key(ACME)) == 32
    assert kms.made == 2


def test_of_two_copies_that_make_it_at_once_both_have_the_stored_one(
    dynamodb: MemoryDynamoDB, kms: KMS, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tenant_keys(dynamodb, kms)
    generate = kms.generate_data_key

    def beaten(**call: Any) -> dict[str, bytes]:
        monkeypatch.setattr(kms, "generate_data_key", generate)
        first.key(ACME)
        return generate(**call)

    monkeypatch.setattr(kms, "generate_data_key", beaten)
    second = tenant_keys(dynamodb, kms).key(ACME)
    assert second == first.key(ACME) == tenant_keys(dynamodb, kms).key(ACME)


def test_another_tenant_s_wrapped_key_is_no_key(dynamodb: MemoryDynamoDB, kms: KMS) -> None:
    tenant_keys(dynamodb, kms).key(ACME)
    (row,) = dynamodb.tables["Metadata"].values()
    dynamodb.put_item(TableName="Metadata", Item={**row, "entityTypeKey": {"S": f"{GLOBEX}#fingerprint-key"}})
    with pytest.raises(MillraceError):
        tenant_keys(dynamodb, kms).key(GLOBEX)


def test_a_use_has_a_key_of_its_own_that_no_other_use_can_unwrap(dynamodb: MemoryDynamoDB, kms: KMS) -> None:
    other = WrappedTenantKeys(Table(dynamodb, "Metadata"), kms, "key-id", use="privacy-key")
    assert other.key(ACME) != tenant_keys(dynamodb, kms).key(ACME)
    (row,) = [row for row in dynamodb.tables["Metadata"].values() if "privacy" in row["entityTypeKey"]["S"]]
    dynamodb.put_item(TableName="Metadata", Item={**row, "entityTypeKey": {"S": f"{ACME}#fingerprint-key"}})
    with pytest.raises(MillraceError):
        tenant_keys(dynamodb, kms).key(ACME)


def test_a_key_is_unwrapped_again_after_its_time_and_the_oldest_is_forgotten(
    dynamodb: MemoryDynamoDB, kms: KMS
) -> None:
    now = [0.0]
    kept = WrappedTenantKeys(
        Table(dynamodb, "Metadata"), kms, "key-id", seconds=300, tenants=1, clock=lambda: now[0]
    )

    def unwraps(org: str) -> bool:
        before = dynamodb.calls["get_item"]
        kept.key(org)
        return dynamodb.calls["get_item"] > before

    assert [unwraps(org) for org in (ACME, ACME, GLOBEX, ACME, ACME)] == [True, False, True, True, False]
    now[0] = 301.0
    assert unwraps(ACME)
    assert not unwraps(ACME)
