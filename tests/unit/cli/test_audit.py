"""`millrace audit`: what it shows, saves, and verifies with and without a platform."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from cli import repairs
from cli.commands import audit as command
from cli.main import run
from cli.target import Target
from millrace.audit import access_logs
from millrace.audit.store import AuditStore
from millrace.core import audit, clock
from millrace.core.objects import Objects
from millrace.core.table import Table
from tests.support.stores import MemoryDynamoDB, MemoryS3

ACME, GLOBEX = "org_acme", "org_globex"
EMPTY = Objects(MemoryS3(), "lake")


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> AuditStore:
    clients: dict[str, Any] = {"dynamodb": MemoryDynamoDB(), "s3": MemoryS3()}
    target = Target("local", "http://localhost:1", {"MetadataTable": "Metadata", "AuditBucket": "lake"})
    monkeypatch.setattr(Target, "client", lambda _, name, **__: clients[name])
    monkeypatch.setattr(command, "find_target", lambda _: target)
    made = AuditStore(Table(clients["dynamodb"], "Metadata"), Objects(clients["s3"], "lake"))
    for org, count in ((ACME, 3), (GLOBEX, 2)):
        for number in range(count):
            audit.write(made.metadata, org, "keys.create", "ann", {"b": number, "a": "é"})
    made.anchor(clock.now())
    return made


def test_the_access_log_is_listed_by_time_tenant_and_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    s3 = MemoryS3()
    target = Target("prod", "http://localhost:1", {"LakeBucket": "lake"})
    monkeypatch.setattr(Target, "client", lambda *_, **__: s3)
    monkeypatch.setattr(command, "find_target", lambda _: target)
    lake = Objects(s3, "lake")
    for hour, org, status in ((6, ACME, "202"), (7, GLOBEX, "401"), (7, ACME, "403"), (9, ACME, "404")):
        line = {"requestId": f"{hour}{org}", "org": org, "status": status, "route": "POST /v1/events"}
        body = gzip.compress(orjson.dumps(line) + b"\n" + orjson.dumps({"message": "\x1b[2J"}) + b"\n")
        folder = access_logs.hour_prefix(datetime(2026, 11, 30, hour, tzinfo=UTC))
        for handed_on in ("a", "b"):
            lake.put(f"{folder}{org}{handed_on}{access_logs.SUFFIX}", body)

    def listed(*more: str) -> list[str]:
        span = ("--from", "2026-11-30T06:30:00Z", "--to", "2026-11-30T09:00:00Z")
        assert run(["audit", "logs", *span, *more, "--json"]) == 0
        answer = json.loads(capsys.readouterr().out.splitlines()[-1])
        return [one["status"] for one in answer["items"] if "status" in one]

    assert listed() == ["202", "403", "401"]
    assert listed("--org", ACME) == ["202", "403"]
    assert listed("--status", "4") == ["403", "401"]
    assert listed("--limit", "1") == ["202"]
    assert run(["audit", "logs", "--from", "2026-11-30", "--to", "2026-11-30"]) == 0
    shown = capsys.readouterr().out
    assert "401" in shown
    assert "\x1b" not in shown
    assert run(["audit", "logs", "--from", "2026-11-01", "--to", "2026-11-01"]) == 0
    assert "The access log has no lines of this time." in capsys.readouterr().out


def verified(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = run(["audit", "verify", *arguments, "--json"])
    document: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return code, document


def test_a_whole_audit_is_verified(stores: AuditStore, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = verified(capsys)
    assert code == 0
    assert {name: document[name] for name in ("verified", "org", "lines", "anchors", "broken")} == {
        "verified": True,
        "org": None,
        "lines": 6,
        "anchors": 1,
        "broken": [],
    }
    assert verified(capsys, "--org", ACME)[1]["lines"] == 3
    assert run(["audit", "verify"]) == 0
    assert "all are as they were written" in capsys.readouterr().out
    assert run(["audit", "verify", "--org", "org_nobody"]) == 2


def test_it_says_how_far_each_chain_is_proven(stores: AuditStore, capsys: pytest.CaptureFixture[str]) -> None:
    (anchor,) = stores.anchors()[0]
    audit.write(stores.metadata, ACME, "keys.create", "ann", {})
    audit.write(stores.metadata, "org_new", "keys.create", "ann", {})
    _, document = verified(capsys)
    assert document["newestAnchor"] == {"key": anchor.key, "sha256": anchor.digest}
    chains = {one["org"]: one for one in document["chains"]}
    assert {
        org: (one["first"], one["last"], one["anchoredUpTo"], one["unproven"]) for org, one in chains.items()
    } == {ACME: (1, 4, 3, 1), GLOBEX: (1, 2, 2, 0), "org_new": (1, 1, None, 1), "platform": (1, 1, None, 1)}
    assert chains[ACME]["anchor"] == anchor.key
    assert run(["audit", "verify"]) == 0
    shown = capsys.readouterr().out
    assert max(len(line) for line in shown.splitlines()) <= 80
    text = " ".join(shown.split())
    assert f"anchored up to line 3 by {anchor.key} unproven: line 4 is proven by the hashes alone" in text
    assert "unproven: whether lines were removed behind line 2" in text
    assert "no anchor: its lines are proven by each other alone, and its end is unproven" in text
    assert anchor.digest in shown
    assert "only the chain" not in text


def test_of_a_credential_only_its_tenant_is_verified_and_that_is_said(
    stores: AuditStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["audit", "verify", "--org", ACME]) == 0
    assert "only the chain of org_acme: other chains" in capsys.readouterr().out
    monkeypatch.setattr(command, "of_key", lambda *_: ACME)
    assert run(["audit", "verify"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "only the chain of org_acme, whose credential this is: other chains were not looked at" in shown
    code, document = verified(capsys)
    assert (code, document["org"], [one["org"] for one in document["chains"]]) == (0, ACME, [ACME])


def test_a_changed_anchor_is_named_also_for_one_tenant_and_in_a_file(
    stores: AuditStore, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (anchor,) = stores.anchors()[0]
    stores.objects.put(anchor.key, b"{}")
    for more in ([], ["--org", ACME], ["--save", str(tmp_path / "audit.ndjson")]):
        code, document = verified(capsys, *more)
        found = [(one["kind"], one["anchor"]) for one in document["broken"]]
        assert (code, found) == (1, [("changed", anchor.key)])


def test_nothing_is_not_proven(
    stores: AuditStore,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "audit.ndjson"
    for text in ("", "\n", '{"kind": "end", "org": null, "chains": {}}\n'):
        file.write_text(text)
        code, document = verified(capsys, "--file", str(file))
        assert (code, document["verified"]) == (1, False)
        assert [one["kind"] for one in document["broken"]] == ["empty"]
    monkeypatch.setattr(command, "_store", lambda _: AuditStore(Table(MemoryDynamoDB(), "Metadata"), EMPTY))
    assert verified(capsys)[0] == 1


def test_what_is_broken_is_named_and_is_a_failure(
    stores: AuditStore, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = {"entityTypeKey": {"S": audit.partition(ACME)}, "entityId": {"S": audit.sort_key(3)}}
    stores.metadata.delete(gone)
    code, document = verified(capsys)
    assert (code, document["verified"]) == (1, False)
    (broken,) = document["broken"]
    assert (broken["org"], broken["number"], broken["kind"]) == (ACME, 3, "removed")
    assert run(["audit", "verify"]) == 1
    shown = capsys.readouterr()
    assert "org_acme line 3: removed" in shown.out
    assert "not as it was written" in shown.err


def test_a_chain_of_which_nothing_is_left_is_missed(
    stores: AuditStore, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2):
        stores.metadata.delete(
            {"entityTypeKey": {"S": audit.partition(GLOBEX)}, "entityId": {"S": audit.sort_key(number)}}
        )
    stores.metadata.delete({"entityTypeKey": {"S": audit.chains()}, "entityId": {"S": GLOBEX}})
    assert [one["org"] for one in verified(capsys)[1]["broken"]] == [GLOBEX]
    assert verified(capsys, "--org", GLOBEX)[0] == 1


@pytest.mark.parametrize("org", [[], ["--org", ACME]])
def test_a_file_is_verified_without_a_platform(
    stores: AuditStore, capsys: pytest.CaptureFixture[str], tmp_path: Path, org: list[str]
) -> None:
    file = tmp_path / "audit.ndjson"
    code, saved = verified(capsys, "--save", str(file), *org)
    assert (code, saved["verified"], saved["lines"]) == (0, True, 3 if org else 6)
    assert verified(capsys, "--file", str(file)) == (0, saved)
    whole = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    assert {one["org"] for one in whole if one["kind"] == "line"} == (
        {ACME} if org else {ACME, GLOBEX, "platform"}
    )
    for found, edited in edits(whole):
        file.write_bytes(b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in edited))
        code, document = verified(capsys, "--file", str(file))
        assert code == 1
        assert [(one["kind"], one["number"]) for one in document["broken"]] == found


Edited = tuple[list[tuple[str, int | None]], list[dict[str, Any]]]


def edits(whole: list[dict[str, Any]]) -> Iterator[Edited]:
    """A changed line, a removed one, a removed end, an inserted line, two in the other order; and an end of the file that is gone."""
    first, second, last = (
        at for at, one in enumerate(whole) if one.get("org") == ACME and one["kind"] == "line"
    )
    changed = {**whole[second], "detail": {"a": "e", "b": 1}}
    yield [("changed", 2)], [*whole[:second], changed, *whole[second + 1 :]]
    yield [("removed", 2)], [*whole[:second], *whole[second + 1 :]]
    yield [("removed", 3)], [*whole[:last], *whole[last + 1 :]]
    yield [("removed", 1)], [*whole[:first], *whole[last + 1 :]]
    yield [("reordered", 1)], [*whole[:first], whole[second], whole[first], *whole[last:]]
    yield [("inserted", 2)], [*whole[:last], whole[second], *whole[last:]]
    yield [("cut", None)], whole[:-1]
    yield [("inserted", None)], [*whole, whole[-1]]


def test_a_cut_file_is_found_also_without_an_anchor(
    stores: AuditStore, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for _ in range(2):
        audit.write(stores.metadata, ACME, "keys.create", "ann", {})
    file = tmp_path / "audit.ndjson"
    verified(capsys, "--save", str(file), "--org", ACME)
    saved = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*saved[:-2], saved[-1]]))
    _, document = verified(capsys, "--file", str(file))
    assert [(one["kind"], one["number"]) for one in document["broken"]] == [("removed", 5)]
    assert "when the file was saved" in document["broken"][0]["why"]
    # Where the end is written anew as well, nothing is left that knows of the line: it is said that this is unproven.
    end = orjson.loads(saved[-1])
    end["chains"][ACME] = [4, orjson.loads(saved[-3])["hash"], orjson.loads(saved[-3])["at"]]
    file.write_bytes(b"".join([*saved[:-2], orjson.dumps(end)]))
    code, document = verified(capsys, "--file", str(file))
    assert (code, document["chains"][0]["unproven"]) == (0, 1)
    # What is behind the end that was saved was not there.
    file.write_bytes(b"".join([*saved[:-1], orjson.dumps(end)]))
    _, document = verified(capsys, "--file", str(file))
    assert [(one["kind"], one["number"]) for one in document["broken"]] == [("inserted", 5)]


def test_a_file_that_is_none_is_refused(stores: AuditStore, tmp_path: Path) -> None:
    file = tmp_path / "audit.ndjson"
    assert run(["audit", "verify", "--file", str(file)]) == 2
    for text in ('{"kind": "other"}\n', "x\n", '{"kind": "line"}\n', "[]\n", *wrong(stores)):
        file.write_text(text)
        assert run(["audit", "verify", "--file", str(file)]) == 2
    assert run(["audit", "verify", "--file", str(file), "--org", ACME]) == 2


def wrong(stores: AuditStore) -> Iterator[str]:
    """A line whose values are of other types."""
    line = next(stores.lines(ACME)).to_json()
    for more in ({"number": "1"}, {"number": True}, {"principal": 7}, {"previousAt": None}):
        yield orjson.dumps({"kind": "line", "org": ACME, **line, **more}).decode()


def test_lines_are_listed_as_the_api_has_them(
    stores: AuditStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    line = {
        "number": 7,
        "at": "2026-11-21T06:00:00.000Z",
        "action": "keys.create",
        "principal": "ann",
        "detail": {"key": "3f9a\x1b[31m"},
    }
    answers = [{"items": [line], "cursor": None}]

    def pages(_: Any, query: Any, limit: int, path: str) -> Iterator[dict[str, Any]]:
        asked.append((query, limit, path))
        yield from answers

    monkeypatch.setattr(repairs, "pages", pages)
    monkeypatch.setattr(command, "Api", lambda *_: None)
    assert run(["audit", "list", "--action", "keys.create", "--limit", "3"]) == 0
    shown = capsys.readouterr().out
    assert "2026-11-21T06:00:00.000Z  keys.create  line 7" in shown
    assert "\x1b" not in shown
    assert asked[0][0]["action"] == "keys.create"
    assert asked[0][1:] == (3, "/v1/audit")
    answers[0] = {"items": [{**line, "number": None}], "cursor": None}
    assert run(["audit", "list"]) == 0
    assert "before the chain" in capsys.readouterr().out
    answers[0] = {"items": [], "cursor": None}
    assert run(["audit", "list"]) == 0
    assert "The audit has no lines." in capsys.readouterr().out
    assert run(["audit", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"items": [], "cursor": None}
