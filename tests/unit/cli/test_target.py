"""The key that a command calls with: of `make up`, or of MILLRACE_API_KEY if it is the tenant's."""

from typing import Any

import pytest

from cli.errors import RefusedError, UsageError
from cli.target import Target
from millrace.access.credentials import ALL_SCOPES, create_api_key, revoke_api_key
from millrace.core.errors import RetryableError
from millrace.core.table import Table
from tests.support.stores import MemoryDynamoDB

DEMO = {"org_acme": "mk_acme", "org_globex": "mk_globex"}


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Table:
    dynamodb = MemoryDynamoDB()
    monkeypatch.setattr(Target, "client", lambda *_, **__: dynamodb)
    monkeypatch.delenv("MILLRACE_API_KEY", raising=False)
    return Table(dynamodb, "Metadata")


def target(env: str = "local", keys: dict[str, str] = DEMO) -> Target:
    return Target(env, "http://127.0.0.1:1", {"MetadataTable": "Metadata"}, keys)


def test_the_keys_of_make_up(metadata: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    # A key for another environment changes nothing for the demo tenants.
    monkeypatch.setenv("MILLRACE_API_KEY", "mk_other")
    assert (target().key(None), target().key("org_globex")) == ("mk_acme", "mk_globex")


def test_a_key_that_was_created(metadata: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        UsageError, match=r"put a key of org_new into MILLRACE_API_KEY.*keys create --org org_new"
    ):
        target().key("org_new")
    key = create_api_key(metadata, org="org_new", name="a team", scopes=ALL_SCOPES)
    monkeypatch.setenv("MILLRACE_API_KEY", key)
    assert target().key("org_new") == key
    with pytest.raises(UsageError, match="is of org_new, not of org_third"):
        target().key("org_third")
    revoke_api_key(metadata, key)
    with pytest.raises(UsageError, match="no valid key of this platform"):
        target().key("org_new")


def test_a_platform_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Down:
        def get_item(self, **_: Any) -> Any:
            raise RetryableError("it does not answer")

    monkeypatch.setattr(Target, "client", lambda *_, **__: Down())
    monkeypatch.setenv("MILLRACE_API_KEY", "mk_" + "a" * 43)
    with pytest.raises(RefusedError, match="cannot be looked up"):
        target().key("org_new")


def test_elsewhere_there_is_one_key(metadata: Table) -> None:
    elsewhere = target("dev", {"": "mk_dev"})
    assert elsewhere.key(None) == "mk_dev"
    with pytest.raises(UsageError, match="belongs to one tenant"):
        elsewhere.key("org_acme")
