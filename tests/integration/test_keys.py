"""API keys in their table: made, found by what the list shows, revoked by key or by id."""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import orjson
import pytest
from moto import mock_aws

from cli.commands import keys
from cli.main import run
from cli.target import Target
from millrace.access.credentials import (
    create_api_key,
    digests_like,
    revoke_api_key,
    revoke_digest,
)
from millrace.access.recognition import Credentials
from millrace.core import clock
from millrace.core.errors import PermanentError
from millrace.core.table import Table
from millrace.eventstore.tables import TABLES

TABLE = "Metadata"


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        for model in TABLES:
            if model.Meta.table_name == TABLE:
                model.create_table(billing_mode="PAY_PER_REQUEST")
        yield boto3.client("dynamodb")


@pytest.fixture
def command(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    target = Target("local", "http://localhost:1/_aws/execute-api/a/$default", {"MetadataTable": TABLE})
    monkeypatch.setattr(keys, "find_target", lambda _: target)
    monkeypatch.setattr(Target, "client", lambda *_: dynamodb)
    return run


def made(dynamodb: Any, name: str = "shop") -> str:
    return create_api_key(Table(dynamodb, TABLE), org="org_acme", name=name, scopes=["events:read"])


def serves(dynamodb: Any, key: str) -> bool:
    return Credentials(Table(dynamodb, TABLE)).authenticate(f"Bearer {key}") is not None


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def put(dynamodb: Any, identifier: str) -> None:
    """A key whose digest is chosen: real ones with the same beginning are beyond reach."""
    item = {
        "entityTypeKey": f"platform#credential#{identifier[:2]}",
        "entityId": identifier,
        "status": "active",
        "orgId": "org_acme",
        "name": "twin",
        "createdAt": "2026-01-02T03:04:05.678Z",
    }
    scopes = {"scopes": {"SS": ["events:read"]}}
    named = {name: {"S": value} for name, value in item.items()}
    dynamodb.put_item(TableName=TABLE, Item={**named, **scopes})


def states(dynamodb: Any) -> dict[str, str]:
    """Of the keys by id; lines of the audit have none."""
    items = dynamodb.scan(TableName=TABLE)["Items"]
    return {item["entityId"]["S"]: item["status"]["S"] for item in items if "status" in item}


def test_revoking_ends_one_key_and_no_other(dynamodb: Any) -> None:
    first, second, third = (made(dynamodb, name) for name in "abc")
    assert revoke_api_key(Table(dynamodb, TABLE), first)
    assert revoke_digest(Table(dynamodb, TABLE), digest(second))
    assert [serves(dynamodb, key) for key in (first, second, third)] == [False, False, True]


@pytest.mark.parametrize(("seconds", "good"), [(-1, False), (3600, True)])
def test_a_key_serves_until_it_expires(dynamodb: Any, seconds: int, good: bool) -> None:
    expires_at = clock.now() + timedelta(seconds=seconds)
    key = create_api_key(
        Table(dynamodb, TABLE), org="org_acme", name="shop", scopes=["events:read"], expires_at=expires_at
    )
    assert serves(dynamodb, key) is good


def test_revoking_what_is_not_there_makes_nothing(dynamodb: Any) -> None:
    assert not revoke_api_key(Table(dynamodb, TABLE), "mk_" + "A" * 43)
    assert not revoke_digest(Table(dynamodb, TABLE), "0" * 64)
    assert dynamodb.scan(TableName=TABLE)["Items"] == []


@pytest.mark.parametrize("prefix", ["", "a", "AB", "g0", "ab#", "0" * 65, "ab\n"])
def test_what_is_no_id_is_not_looked_for(dynamodb: Any, prefix: str) -> None:
    with pytest.raises(PermanentError):
        digests_like(Table(dynamodb, TABLE), prefix)


def test_the_id_of_the_list_revokes_the_key(
    dynamodb: Any, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    key, other = made(dynamodb), made(dynamodb, "other")
    assert command(["keys", "list", "--json"]) == 0
    items = orjson.loads(capsys.readouterr().out)["items"]
    (listed,) = [item["id"] for item in items if item["name"] == "shop"]
    assert command(["keys", "revoke", listed[: keys.SHOWN], "--json"]) == 0
    assert orjson.loads(capsys.readouterr().out) == {"revoked": True}
    assert (serves(dynamodb, key), serves(dynamodb, other)) == (False, True)
    assert command(["keys", "revoke", digest(other)]) == 0
    assert not serves(dynamodb, other)


def test_an_id_that_several_keys_have_revokes_none(
    dynamodb: Any, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    twins = ["ab" * 6 + last * 52 for last in "01"]
    for one in twins:
        put(dynamodb, one)
    assert command(["keys", "revoke", "ab" * 6]) == 1
    assert "several" in capsys.readouterr().err
    assert set(states(dynamodb).values()) == {"active"}
    assert command(["keys", "revoke", twins[1]]) == 0
    assert states(dynamodb) == {twins[0]: "active", twins[1]: "revoked"}


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("mk_" + "A" * 43, 1),
        ("mk_", 1),
        ("0" * 12, 1),
        ("0" * 64, 1),
        ("0" * 11, 2),
        ("0" * 65, 2),
        ("shop", 2),
        ("AB" * 6, 2),
    ],
)
def test_what_is_no_key_is_said(dynamodb: Any, command: Any, key: str, code: int) -> None:
    held = made(dynamodb)
    assert command(["keys", "revoke", key]) == code
    assert serves(dynamodb, held)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a\nb",
        "a\n",
        "a\x1b[2Jb",
        "a\x00",
        "a\u202eb",
        "a\u2066b",
        "x" * 257,
        "\ud800",
        "millrace.fraud",
        "Millrace.x",
    ],
)
def test_a_name_keeps_the_rules_of_what_clients_send(dynamodb: Any, command: Any, name: str) -> None:
    with pytest.raises(PermanentError) as raised:
        made(dynamodb, name)
    assert str(raised.value).isprintable()
    assert dynamodb.scan(TableName=TABLE)["Items"] == []


@pytest.mark.parametrize("name", ["shop", "Jürgens Laden 😀", "a b", "x" * 256, "millrace", "a/b#c%"])
def test_any_printable_name_is_one(dynamodb: Any, name: str) -> None:
    principal = Credentials(Table(dynamodb, TABLE)).authenticate(f"Bearer {made(dynamodb, name)}")
    assert principal is not None
    assert principal.name == name


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--org", "org_acme", "--name", "a\x1b[31mb"], 1),
        (["--org", "org\u202eacme", "--name", "shop"], 1),
        (["--org", "o" * 64, "--name", "shop"], 1),
        (["--org", "org_acme\n", "--name", "shop"], 1),
        (["--org", "org_acme", "--name", "shop", "--scope", "events:write\n"], 1),
        (["--org", "org_acme", "--name", "shop", "--days", "99999999999"], 2),
    ],
)
def test_what_an_operator_types_is_judged_as_well(
    dynamodb: Any, command: Any, options: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["keys", "create", *options]) == code
    printed = capsys.readouterr()
    assert "\x1b" not in printed.err + printed.out
    assert "\u202e" not in printed.err + printed.out
    assert dynamodb.scan(TableName=TABLE)["Items"] == []


def test_a_key_is_rotated_by_its_id(
    dynamodb: Any,
    command: Any,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    old = made(dynamodb)
    assert command(["keys", "rotate", digest(old)[: keys.SHOWN], "--overlap", "0m", "--json"]) == 0
    said = orjson.loads(capsys.readouterr().out)
    assert said["replaces"] == digest(old)
    assert said["id"] == digest(said["key"])
    assert (serves(dynamodb, old), serves(dynamodb, said["key"])) == (False, True)
    assert command(["keys", "rotate", digest(old)]) == 1
    assert "has a successor" in capsys.readouterr().err
    for wrong in (
        [said["id"], "--overlap", "31d"],
        [said["id"], "--overlap", "soon"],
        ["shop"],
        [said["key"]],
    ):
        assert command(["keys", "rotate", *wrong]) == 2
    assert command(["keys", "rotate", "0" * 64]) == 1
    assert serves(dynamodb, said["key"])


def test_a_list_of_all_puts_older_keys_into_their_tenants_lists(
    dynamodb: Any, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for org in ("org_acme", "org_globex"):
        identifier = hashlib.sha256(org.encode()).hexdigest()
        item = {
            "entityTypeKey": {"S": f"platform#credential#{identifier[:2]}"},
            "entityId": {"S": identifier},
            "orgId": {"S": org},
            "name": {"S": "old"},
            "scopes": {"SS": ["events:read"]},
            "status": {"S": "active"},
            "createdAt": {"S": "2026-01-02T03:04:05.678Z"},
        }
        dynamodb.put_item(TableName=TABLE, Item=item)
    listed = ["keys", "list", "--org", "org_acme", "--json"]
    assert command(listed) == 0
    assert orjson.loads(capsys.readouterr().out) == {"items": []}
    for _ in range(2):
        assert command(["keys", "list", "--json"]) == 0
        assert len(orjson.loads(capsys.readouterr().out)["items"]) == 2
    assert command(listed) == 0
    assert [one["org"] for one in orjson.loads(capsys.readouterr().out)["items"]] == ["org_acme"]
