"""The compliance report: what it counts, what it points at, and that page and PDF say the same."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.commands import privacy
from cli.compliance import page, pdf, report
from cli.compliance.report import Report, Section
from cli.main import run
from millrace.core import clock

NOW = datetime.now(UTC)
SINCE = NOW - timedelta(days=90)


def ago(days: float) -> str:
    return clock.utc_text(NOW - timedelta(days=days))


def request(kind: str, state: str, days: float, took: float | None = None) -> dict[str, Any]:
    return {
        "requestId": f"r-{kind}-{days}",
        "kind": kind,
        "state": state,
        "receivedAt": ago(days),
        "dueAt": ago(days - 30),
        "doneAt": None if took is None else ago(days - took),
        "overdue": state != "done" and days > 30,
    }


LISTS: dict[str, list[dict[str, Any]]] = {
    "/v1/subjects/requests": [
        request("erase", "done", 10, 2.5),
        request("export", "open", 31),
        request("erase", "done", 200, 1),
    ],
    "/v1/subjects/holds": [{"subject": "77", "at": ago(3), "by": "legal", "reason": "<case> 17"}],
    "/v1/keys": [
        {"name": "shop", "status": "active", "createdAt": ago(9), "expiresAt": None, "lastUsedAt": ago(1)},
        {"name": "old", "status": "revoked", "createdAt": ago(90), "expiresAt": ago(1), "lastUsedAt": None},
    ],
    "/v1/users": [{"name": "Zoë", "status": "active", "roles": ["Auditor"], "createdAt": ago(30)}],
    "/v1/audit": [
        {"at": ago(1), "action": "roles.assign", "principal": "admin", "number": 8},
        {"at": ago(2), "action": "personal.read", "principal": "shop", "number": 7},
    ],
}


def read(path: str, query: Mapping[str, str | None]) -> Iterable[Mapping[str, Any]]:
    assert (path == "/v1/audit") == bool(query)
    return LISTS[path]


def made() -> Report:
    found = Report("org_acme", "prod", SINCE, NOW)
    found.sections.extend([*report.requests(read, SINCE), *report.access(read)])
    found.sections.append(report.changes(read, SINCE, NOW))
    found.sections.append(
        report.backups(
            [("Metadata", True), ("Events", False), ("Other", False), ("Far", None)], {"Events": "Why."}
        )
    )
    found.sections.append(report.rotation([("of tenants", True)]))
    return found


def test_each_section_counts_and_says_what_needs_somebody() -> None:
    asked, held, keys, users, changed, recovered, rotated = made().sections
    assert asked.sentence == "Requests: 1 to erase, 1 to export. Each is due in 30 days; 1 are overdue."
    assert [row[-1] for row in asked.rows] == ["2.5", "overdue"], "what is older and done is not shown"
    assert held.rows[0][-1] == "<case> 17"
    assert keys.sentence == "1 of 2 keys are active; 1 of them never expire."
    assert users.rows == [("Zoë", "active", "Auditor", ago(30)[:10])]
    assert [row[1] for row in changed.rows] == ["roles.assign"]
    assert "Other, Far" in recovered.sentence
    needing = [one for one in made().sections if one.attention]
    assert needing == [asked, keys, recovered]
    assert not rotated.attention


def test_the_page_shows_all_and_runs_nothing_that_somebody_wrote() -> None:
    shown = page.html(made())
    assert "&lt;case&gt; 17" in shown
    assert "<case>" not in shown
    assert all(section.title in shown for section in made().sections)


def test_the_pdf_has_every_line_on_as_many_pages_as_it_takes() -> None:
    many = Section(
        "Many", "All of them.", ("number", "name"), [(str(n), f"name {n} (é) 漢") for n in range(200)]
    )
    found = made()
    found.sections.append(many)
    document = pdf.pdf(found)
    assert document.startswith(b"%PDF-1.")
    assert document.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type /Page\b", document)) > 3
    for number in (0, 199):
        assert rf"(name {number} \(".encode() + "é".encode("cp1252") + rb"\) ?) Tj" in document
    assert b"overdue" in document


class FakeApi:
    def __init__(self, *_: object) -> None:
        """Asks nothing."""

    def ask(self, _: str, path: str, **__: object) -> Any:
        return {"items": LISTS[path], "cursor": None}


class FakeTarget:
    """A platform whose KMS says nothing."""

    env = "prod"

    def client(self, service: str) -> Any:
        return self

    def output(self, name: str) -> str:
        return name

    def describe_continuous_backups(self, **_: str) -> Any:
        on = {"PointInTimeRecoveryStatus": "ENABLED"}
        return {"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": on}}

    def get_key_rotation_status(self, **_: str) -> Any:
        from botocore.exceptions import ClientError

        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetKeyRotationStatus")


def test_the_command_writes_both_and_wants_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(privacy, "Api", FakeApi)
    monkeypatch.setattr(privacy, "find_target", lambda _: FakeTarget())
    monkeypatch.setattr("cli.tenants.tenant", lambda *_: "org_acme")
    assert run(["privacy", "report"]) == 2
    files = tmp_path / "report.html", tmp_path / "report.pdf"
    assert run(["privacy", "report", "--html", str(files[0]), "--pdf", str(files[1]), "--json"]) == 0
    assert "Compliance report of org_acme" in files[0].read_text()
    assert files[1].read_bytes().startswith(b"%PDF")
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    rotated = document["sections"][-1]["rows"]
    assert rotated == [{"key": "of tenants", "rotated": "unknown"}]
