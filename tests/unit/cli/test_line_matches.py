"""`millrace sigma test` of rules about the audit and the access log: asked of lines of the past, of one tenant or of all."""

import gzip
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from cli.commands import sigma
from cli.main import run
from cli.target import Target
from millrace.audit import access_logs
from millrace.core import audit
from millrace.core.objects import Objects
from millrace.core.table import Table
from tests.support.contracts import SCHEMAS
from tests.support.stores import MemoryDynamoDB, MemoryS3

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
SPAN = ("--from", "2026-11-29", "--to", "2026-11-30")


@pytest.fixture(autouse=True)
def _lines(monkeypatch: pytest.MonkeyPatch) -> None:
    dynamodb = MemoryDynamoDB()
    target = Target("local", "http://localhost:1", {"MetadataTable": "Metadata"})
    monkeypatch.setattr(Target, "client", lambda *_, **__: dynamodb)
    monkeypatch.setattr(sigma, "find_target", lambda _: target)
    monkeypatch.setattr(sigma, "chosen_tenant", lambda _, org, **__: org)
    for org in ("org_acme", "org_globex", "platform"):
        for days, denials in ((-2, 40), (0, 5), (0, 20)):
            at = NOON + timedelta(days=days)
            audit.write(
                Table(dynamodb, "Metadata"), org, "access.denied", "shop", {"denials": denials}, at=at
            )
        for number in range(10):
            at = NOON + timedelta(minutes=number)
            detail = {"step": "export", "requestId": str(number)}
            audit.write(Table(dynamodb, "Metadata"), org, "subjects.export", "ann", detail, at=at)


def tried(capsys: pytest.CaptureFixture[str], name: str, *more: str) -> dict[str, Any]:
    assert run(["sigma", "test", str(SCHEMAS / "sigma" / f"{name}.yml"), *SPAN, *more, "--json"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return answer


def test_a_rule_is_counted_by_tenant_and_day(capsys: pytest.CaptureFixture[str]) -> None:
    answer = tried(capsys, "audit_denials_of_one_caller")
    day = {"day": "2026-11-30", "matched": 1}
    assert answer["items"] == [{"org": "org_acme", **day}, {"org": "org_globex", **day}]
    assert (answer["matched"], answer["lines"]) == (2, 24)
    assert "Line 3 of the audit, access.denied by shop" in answer["examples"][0]["message"]
    assert tried(capsys, "audit_denials_of_one_caller", "--org", "org_acme")["matched"] == 1


def test_a_correlation_tells_what_it_would_have_told(capsys: pytest.CaptureFixture[str]) -> None:
    answer = tried(capsys, "audit_many_people_exported", "--org", "org_acme")
    assert (answer["fired"], answer["lines"]) == (1, 12)
    assert (answer["items"][0]["subject"], answer["items"][0]["at"]) == (
        "principal:ann",
        "2026-11-30T12:09:00.000Z",
    )


def test_it_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    for name, said in (
        ("audit_denials_of_one_caller", "2 matches of audit_denials_of_one_caller in 24 lines of the audit"),
        ("audit_many_people_exported", "2 alerts of audit_many_people_exported on 24 lines of the audit."),
    ):
        assert run(["sigma", "test", str(SCHEMAS / "sigma" / f"{name}.yml"), *SPAN]) == 0
        assert said in " ".join(capsys.readouterr().out.split())


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty refusals of each of two tenants, and a call that succeeds, handed on twice; and of days before."""
    lake = Objects(MemoryS3(), "lake")
    target = Target("prod", "http://localhost:1", {"LakeBucket": "lake"})
    monkeypatch.setattr(Target, "client", lambda *_, **__: lake._s3)
    monkeypatch.setattr(sigma, "find_target", lambda _: target)
    for day in (26, 30):
        for number in range(60):
            lines = [
                {
                    "requestId": f"{org}{day}{number}",
                    "time": f"{day}/Nov/2026:12:{number:02}:00 +0000",
                    "org": org,
                    "status": status,
                    "principal": "k_1",
                    "route": "POST /v1/events",
                }
                for org, status in (("org_acme", "403"), ("org_globex", "401"), ("org_other", "202"))
            ]
            body = gzip.compress(b"\n".join(map(orjson.dumps, lines)))
            folder = access_logs.hour_prefix(datetime(2026, 11, day, 12, tzinfo=UTC))
            for handed_on in ("a", "b"):
                name = hashlib.sha256(f"{number}{handed_on}".encode()).hexdigest()[:32]
                lake.put(f"{folder}{name}{access_logs.SUFFIX}", body)


@pytest.mark.usefixtures("log")
def test_a_rule_is_asked_of_the_access_log(capsys: pytest.CaptureFixture[str]) -> None:
    answer = tried(capsys, "gateway_call_denied", "--examples", "1")
    day = {"day": "2026-11-30", "matched": 60}
    assert answer["items"] == [{"org": "org_acme", **day}, {"org": "org_globex", **day}]
    assert (answer["matched"], answer["lines"], len(answer["examples"])) == (120, 180, 1)
    assert "POST /v1/events with status 403 by k_1" in answer["examples"][0]["message"]
    assert tried(capsys, "gateway_call_denied", "--org", "org_acme")["matched"] == 60
    told = tried(capsys, "gateway_denials_of_one_caller")
    assert (told["fired"], told["lines"]) == (2, 180)
    assert {one["at"] for one in told["items"]} == {"2026-11-30T12:49:00.000Z"}
    assert run(["sigma", "test", str(SCHEMAS / "sigma/gateway_call_denied.yml"), *SPAN]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "120 matches of gateway_call_denied in 180 lines of the access log" in said
