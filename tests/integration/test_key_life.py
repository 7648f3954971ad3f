"""A key's life beyond its making: listed with its tenant, used, replaced with an overlap; and tenants that are suspended."""

from collections.abc import Iterator
from datetime import timedelta
from unittest.mock import patch

import boto3
import pytest
from moto import mock_aws

from millrace.access import keys, rows, tenants
from millrace.access.credentials import ALL_SCOPES, create_api_key, revoke_api_key
from millrace.access.recognition import Credentials
from millrace.core import clock
from millrace.core.errors import PermanentError
from millrace.core.table import Table
from millrace.eventstore.tables import TABLES

ACME, GLOBEX = "org_acme", "org_globex"


@pytest.fixture
def metadata() -> Iterator[Table]:
    with mock_aws():
        for model in TABLES:
            if model.Meta.table_name == "Metadata":
                model.create_table(billing_mode="PAY_PER_REQUEST")
        yield Table(boto3.client("dynamodb"), "Metadata")


def made(metadata: Table, org: str = ACME, name: str = "shop", **more: object) -> str:
    return create_api_key(metadata, org=org, name=name, scopes=["events:read"], **more)  # type: ignore[arg-type]


def serves(metadata: Table, key: str) -> bool:
    return Credentials(metadata).authenticate(f"Bearer {key}") is not None


def record(metadata: Table, key: str) -> keys.KeyRecord:
    found = keys.get(metadata, ACME, rows.digest(key))
    assert found is not None
    return found


def test_a_tenant_lists_its_own_keys(metadata: Table) -> None:
    mine = [made(metadata, name=name) for name in ("a", "b", "c")]
    made(metadata, GLOBEX)
    found = keys.listed(metadata, ACME)
    assert {one.id for one in found} == {rows.digest(key) for key in mine}
    assert {one.prefix for one in found} == {key[:11] for key in mine}
    assert not any(key in str(found) for key in mine)
    ids = [one.id for one in found]
    assert ids == sorted(ids)
    assert [one.id for one in keys.listed(metadata, ACME, after=ids[0], most=1)] == ids[1:2]
    assert keys.get(metadata, GLOBEX, ids[0]) is None


def test_a_key_is_replaced_with_an_overlap(metadata: Table) -> None:
    old = made(metadata)
    new = keys.rotate(metadata, record(metadata, old), timedelta(hours=24))
    assert new is not None
    assert serves(metadata, old)
    assert serves(metadata, new)
    ends = record(metadata, old).expires_at
    assert ends is not None
    assert timedelta(hours=23) < ends - clock.now() <= timedelta(hours=24)
    assert record(metadata, old).replaced_by == rows.digest(new)
    assert record(metadata, new).scopes == ("events:read",)
    assert record(metadata, new).expires_at is None
    with patch("time.time", lambda: clock.epoch(ends) + 1):
        assert (serves(metadata, old), serves(metadata, new)) == (False, True)


def test_a_key_has_one_successor_and_a_dead_one_none(metadata: Table) -> None:
    old = made(metadata)
    before = record(metadata, old)
    assert keys.rotate(metadata, before, timedelta()) is not None
    # Of two at once, the second finds that the first was there.
    assert keys.rotate(metadata, before, timedelta(days=9)) is None
    assert not serves(metadata, old)
    revoked = made(metadata)
    held = record(metadata, revoked)
    revoke_api_key(metadata, revoked)
    assert keys.rotate(metadata, held, timedelta(hours=1)) is None
    assert not serves(metadata, revoked)


def test_an_overlap_prolongs_no_life(metadata: Table) -> None:
    ends = clock.now() + timedelta(hours=1)
    old = made(metadata, expires_at=ends)
    new = keys.rotate(metadata, record(metadata, old), timedelta(days=30))
    assert new is not None
    last, next_last = record(metadata, old).expires_at, record(metadata, new).expires_at
    assert last is not None
    assert next_last is not None
    assert abs(last - ends) < timedelta(seconds=2)
    # The successor lives as long as the one before it was to.
    assert abs(next_last - ends) < timedelta(seconds=5)


def test_use_is_written_once_an_hour(metadata: Table) -> None:
    key, written = made(metadata), []
    update = metadata.update

    def counted(*arguments: object, **more: object) -> bool:
        written.append(arguments)
        return update(*arguments, **more)  # type: ignore[arg-type]

    with patch.object(metadata, "update", counted):
        credentials = Credentials(metadata, lambda given, item: keys.note_use(metadata, given, item))
        assert record(metadata, key).last_used_at is None
        for _ in range(3):
            assert credentials.find(key) is not None
        assert len(written) == 1
        now = clock.now()
        assert record(metadata, key).last_used_at is not None
        with patch.object(clock, "now", lambda: now + timedelta(minutes=61)):
            assert credentials.find(key) is not None
        assert len(written) == 2


def test_a_key_of_the_release_before_is_listed_once_it_was_used(metadata: Table) -> None:
    key = "mk_" + "A" * 43
    digest = rows.digest(key)
    old = {
        **rows.credential(digest),
        "orgId": {"S": ACME},
        "name": {"S": "shop"},
        "scopes": {"SS": ["events:read"]},
        "status": {"S": "active"},
        "createdAt": {"S": "2026-01-02T03:04:05.678Z"},
    }
    metadata.put(old)
    metadata.put(rows.tenant(ACME))
    assert serves(metadata, key)
    assert keys.listed(metadata, ACME) == []
    assert Credentials(metadata, lambda given, item: keys.note_use(metadata, given, item)).find(key)
    (found,) = keys.listed(metadata, ACME)
    assert (found.id, found.prefix, found.created_at) == (digest, key[:11], "2026-01-02T03:04:05.678Z")
    assert keys.rotate(metadata, found, timedelta(hours=1)) is not None


def test_a_suspended_tenant_is_refused_and_no_other(metadata: Table) -> None:
    mine, other = made(metadata), made(metadata, GLOBEX)
    assert tenants.suspend(metadata, ACME)
    assert (serves(metadata, mine), serves(metadata, other)) == (False, True)
    # A new key does not let it in again.
    assert not serves(metadata, made(metadata, name="second"))
    assert tenants.resume(metadata, ACME)
    assert serves(metadata, mine)
    assert not tenants.suspend(metadata, "org_typo")
    assert tenants.orgs(metadata) == [ACME, GLOBEX]


def test_a_tenant_is_made_once(metadata: Table) -> None:
    created = tenants.create(metadata, "org_new", name="A new one", region="eu-central-1")
    assert created == tenants.get(metadata, "org_new")
    assert tenants.create(metadata, "org_new", name="Another") is None
    made(metadata, "org_new")
    assert tenants.get(metadata, "org_new") == created
    assert [one.org for one in tenants.listed(metadata, after="org_a", most=1)] == ["org_new"]
    for wrong in ("", "platform", "A", "a#b", "o" * 64):
        with pytest.raises(PermanentError):
            tenants.create(metadata, wrong)


def test_all_rights_can_be_replaced(metadata: Table) -> None:
    key = create_api_key(metadata, org=ACME, name="demo", scopes=ALL_SCOPES)
    new = keys.rotate(metadata, record(metadata, key), timedelta(hours=1))
    assert new is not None
    assert set(record(metadata, new).scopes) == set(ALL_SCOPES)
