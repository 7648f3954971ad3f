"""Requests for access as people read them, and what the commands ask of the API."""

import json
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.commands import grants as command
from cli.commands.grants import Purpose, State
from cli.main import app
from millrace.access.grants import PURPOSES, STATES
from millrace.core import clock

GRANT: dict[str, Any] = {
    "id": "20261130T121314123-9f3a0c12d4",
    "holder": {"kind": "user", "id": "u_1", "name": "Ana\x1b[31m"},
    "dataset": "silver.transaction_created_v1",
    "personal": False,
    "purpose": "fraud-investigation",
    "reason": "case 4711",
    "state": "requested",
    "needs": ["data-lead", "security"],
    "approvals": [{"role": "security", "by": "Sue", "at": "2026-11-30T12:20:00.000Z"}],
    "createdAt": "2026-11-30T12:13:14.123Z",
    "until": "2026-12-20T00:00:00.000Z",
    "closedBy": None,
    "closedAt": None,
    "closedReason": None,
}


class FakeApi:
    """Notes what is asked, and answers with one request."""

    calls: list[tuple[str, str, Any]] = []  # noqa: RUF012

    def __init__(self, *_: object) -> None:
        """Asks nothing."""

    def ask(self, method: str, path: str, *, query: object = None, body: bytes = b"null") -> Any:
        self.calls.append((method, path, query or json.loads(body)))
        return {"items": [GRANT], "cursor": None} if method == "GET" else GRANT


@pytest.fixture(autouse=True)
def _api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "Api", FakeApi)
    monkeypatch.setattr(command, "find_target", lambda _: None)
    FakeApi.calls.clear()


def ran(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["grants", *arguments], env={"COLUMNS": "80"})
    return result.exit_code, result.output


def test_a_request_says_what_it_needs() -> None:
    code, text = ran("list")
    assert code == 0
    assert "silver.transaction_created_v1 for Ana" in text
    assert "approved as security by Sue" in text
    assert "needs the approval of data-lead" in text
    assert "\x1b" not in text, "what somebody typed does nothing to a terminal"
    assert json.loads(ran("list", "--json")[1])["items"] == [GRANT]


def test_what_is_asked_for_is_what_was_typed() -> None:
    asked = ("--purpose", "research", "--reason", "why")
    assert ran("request", "marts.*", *asked, "--until", "2026-12-20T00:00:00Z")[0] == 0
    assert FakeApi.calls == [
        (
            "POST",
            "/v1/grants",
            {
                "purpose": "research",
                "reason": "why",
                "until": "2026-12-20T00:00:00Z",
                "dataset": "marts.*",
            },
        )
    ]
    assert ran("request", "--personal", *asked, "--for", "8h")[0] == 0
    body = FakeApi.calls[-1][2]
    assert body["personal"] is True
    left = clock.parse(body["until"]) - clock.now()
    assert timedelta(hours=7, minutes=58) < left <= timedelta(hours=8)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--for", "8h"),
        ("marts.*", "--personal", "--for", "8h"),
        ("marts.*",),
        ("marts.*", "--for", "8h", "--until", "2026-12-20T00:00:00Z"),
        ("marts.*", "--for", "soon"),
    ],
)
def test_a_request_that_is_not_clear_is_not_sent(arguments: tuple[str, ...]) -> None:
    assert ran("request", *arguments, "--purpose", "research", "--reason", "why")[0] != 0
    assert FakeApi.calls == []


@pytest.mark.parametrize(
    ("arguments", "call", "body"),
    [
        (("approve", "g/1"), "~Zy8x/approve", {}),
        (("refuse", "g", "--reason", "no"), "g/refuse", {"reason": "no"}),
        (("revoke", "g"), "g/revoke", {}),
    ],
)
def test_decisions_are_posted(arguments: tuple[str, ...], call: str, body: dict[str, str]) -> None:
    assert ran(*arguments)[0] == 0
    assert FakeApi.calls == [("POST", f"/v1/grants/{call}", body)]


def test_choices_are_those_of_the_api() -> None:
    assert sorted(Purpose) == sorted(PURPOSES)
    assert sorted(State) == sorted(STATES)
