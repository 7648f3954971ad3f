"""Whose data a command works on: MILLRACE_API_KEY and `--org` decide it for all commands alike, or the command is refused."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from cli import tenants
from cli.errors import RefusedError, UsageError
from cli.main import run
from cli.target import Target
from millrace.access.credentials import ALL_SCOPES, create_api_key, revoke_api_key
from millrace.access.rows import digest
from millrace.core.errors import RetryableError
from millrace.core.table import Table
from tests.support.stores import MemoryDynamoDB

DEMO = {"org_acme": "mk_acme", "org_globex": "mk_globex"}
# Their --org is a filter of what all tenants have: a name that nobody has matches nothing.
FILTERS = [["pending", "list"], ["pending", "set-aside"], ["pending", "take-in"], ["reconcile"]]
# Every command that takes a tenant of the platform.
COMMANDS = [
    *FILTERS,
    ["send", "one.json"],
    ["seed", "--count", "1"],
    ["trace", "x"],
    ["events", "latest"],
    ["events", "tail"],
    ["quarantine", "list"],
    ["quarantine", "show", "x"],
    ["quarantine", "replay", "--all"],
    ["quarantine", "discard", "--all"],
    ["fraud", "explain", "x"],
    ["train"],
    ["models", "list"],
    ["models", "show", "1"],
    ["models", "promote", "1"],
    ["models", "rollback"],
    ["query", "select 1"],
    ["sql"],
]


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Table:
    dynamodb = MemoryDynamoDB()
    monkeypatch.setattr(Target, "client", lambda *_, **__: dynamodb)
    monkeypatch.setattr("cli.commands.reconcile.deployed_function", lambda *_: "f")
    monkeypatch.delenv("MILLRACE_API_KEY", raising=False)
    return Table(dynamodb, "Metadata")


@pytest.fixture
def platform(metadata: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    local = tmp_path / ".local"
    local.mkdir()
    (local / "outputs.json").write_bytes(
        orjson.dumps({"ApiUrl": "http://127.0.0.1:1", "MetadataTable": "Metadata"})
    )
    (local / "keys.json").write_bytes(orjson.dumps(DEMO))
    (tmp_path / "one.json").write_text("{}")
    return tmp_path


def target(env: str = "local", keys: dict[str, str] = DEMO) -> Target:
    return Target(env, "http://127.0.0.1:1", {"MetadataTable": "Metadata"}, keys)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_key_and_org_agree_or_the_command_is_refused(
    command: list[str],
    platform: Path,
    metadata: Table,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    key = create_api_key(metadata, org="org_new", name="a team", scopes=ALL_SCOPES)
    if command not in FILTERS:
        assert run([*command, "--org", "org_typo"]) == 2
        said = "there is no tenant org_typo; there are org_new. A first key creates it"
        assert said in capsys.readouterr().err
    monkeypatch.setenv("MILLRACE_API_KEY", key)
    assert run([*command, "--org", "org_acme"]) == 2
    assert "the key in MILLRACE_API_KEY is of org_new, not of org_acme" in capsys.readouterr().err
    revoke_api_key(metadata, key)
    assert run([*command, "--org", "org_new"]) == 2
    assert "the key in MILLRACE_API_KEY was revoked" in capsys.readouterr().err


def test_the_keys_of_make_up(metadata: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (tenants.key(target(), None), tenants.key(target(), "org_globex")) == ("mk_acme", "mk_globex")
    # A key for another environment is not silently passed over.
    monkeypatch.setenv("MILLRACE_API_KEY", "mk_other")
    with pytest.raises(UsageError, match="is not a key of this platform"):
        tenants.key(target(), None)


def test_the_key_decides(metadata: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    key = create_api_key(metadata, org="org_new", name="a team", scopes=ALL_SCOPES)
    with pytest.raises(UsageError, match=r"no key of org_new here.*keys create --org org_new"):
        tenants.key(target(), "org_new")
    monkeypatch.setenv("MILLRACE_API_KEY", key)
    for org in (None, "org_new"):
        assert tenants.key(target(), org) == key
        assert tenants.tenant(target(), org) == tenants.only(target(), org) == "org_new"


def test_an_expired_key_is_refused_in_words(metadata: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = datetime(2020, 1, 2, tzinfo=UTC)
    key = create_api_key(metadata, org="org_new", name="n", scopes=ALL_SCOPES, expires_at=ended)
    monkeypatch.setenv("MILLRACE_API_KEY", key)
    with pytest.raises(UsageError, match=r"expired at 2020-01-02T00:00:00"):
        tenants.key(target(), None)
    assert tenants.why_refused(target(), key).startswith("it expired at")
    assert tenants.why_refused(target(), "mk_x") == "it is not a key of this platform"


def test_a_created_key_is_used_from_then_on(platform: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = platform / ".local" / "keys.json"
    assert run(["keys", "create", "--org", "org_new", "--name", "a team", "--json"]) == 0
    key = orjson.loads(capsys.readouterr().out)["key"]
    assert orjson.loads(file.read_bytes()) == {**DEMO, "org_new": key}
    assert file.stat().st_mode & 0o777 == 0o600
    # One with fewer rights does not take its place.
    assert run(["keys", "create", "--org", "org_new", "--name", "b", "--scope", "events:read"]) == 0
    assert orjson.loads(file.read_bytes())["org_new"] == key
    assert run(["keys", "revoke", key]) == 0
    assert run(["keys", "create", "--org", "org_new", "--name", "c", "--scope", "events:read"]) == 0
    assert orjson.loads(file.read_bytes())["org_new"] != key


@pytest.mark.parametrize(("org", "file"), [("org_acme", "keys.json"), ("org_demo", "sample-keys.json")])
def test_a_key_that_is_rotated_is_replaced_where_it_is_kept(
    org: str, file: str, platform: Path, metadata: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    first, other = (create_api_key(metadata, org=org, name="a", scopes=["events:read"]) for _ in "12")
    local = platform / ".local"
    kept = DEMO | {org: first} if file == "keys.json" else DEMO
    (local / "keys.json").write_bytes(orjson.dumps(kept))
    (local / file).write_bytes(orjson.dumps(kept if file == "keys.json" else {org: first}))
    # One that is kept elsewhere leaves the file as it is.
    assert run(["keys", "rotate", digest(other), "--json"]) == 0
    assert orjson.loads((local / file).read_bytes())[org] == first
    capsys.readouterr()
    assert run(["keys", "rotate", digest(first), "--overlap", "1h"]) == 0
    said = capsys.readouterr().out
    (key,) = re.findall(r"mk_\S+", said)
    assert f"It is in .local/{file}, so --org {org} uses it" in said
    assert orjson.loads((local / file).read_bytes())[org] == key
    assert (local / file).stat().st_mode & 0o777 == 0o600
    assert orjson.loads((local / "keys.json").read_bytes())["org_globex"] == DEMO["org_globex"]


def test_a_platform_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Down:
        def get_item(self, **_: Any) -> Any:
            raise RetryableError("it does not answer")

    monkeypatch.setattr(Target, "client", lambda *_, **__: Down())
    monkeypatch.setenv("MILLRACE_API_KEY", "mk_" + "a" * 43)
    with pytest.raises(RefusedError, match="cannot be looked up"):
        tenants.key(target(), "org_new")


def test_elsewhere_the_key_decides(metadata: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    key = create_api_key(metadata, org="org_new", name="a team", scopes=ALL_SCOPES)
    monkeypatch.setenv("MILLRACE_API_KEY", key)
    elsewhere = target("dev", {"": key})
    assert tenants.key(elsewhere, None) == tenants.key(elsewhere, "org_new") == key
    assert tenants.tenant(elsewhere, None) == "org_new"
    with pytest.raises(UsageError, match="is of org_new, not of org_acme"):
        tenants.key(elsewhere, "org_acme")
