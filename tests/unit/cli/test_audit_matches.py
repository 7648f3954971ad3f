"""`millrace sigma test` of rules about the audit: asked of lines of the past, of one tenant or of all."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.commands import sigma
from cli.main import run
from cli.target import Target
from millrace.core import audit
from millrace.core.table import Table
from tests.support.contracts import SCHEMAS
from tests.support.stores import MemoryDynamoDB

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
