"""Alerts as people read them, and what the commands ask of the API."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.commands import alerts as command
from cli.main import app, run
from millrace.core import clock

ALERT: dict[str, Any] = {
    "alertId": "0b4a0c63-5a9f-4b3a-8f0e-6f2f6a8b1c7d",
    "kind": "pattern",
    "rule": "order_without_completion",
    "severity": "warning",
    "state": "acknowledged",
    "subject": "order:ord_\x1b[31m1",
    "owner": "commerce",
    "title": "Order without completion",
    "message": "No order.completed within 30 minutes after order.created of order:ord_1, whatever was looked for.",
    "expected": 1,
    "observed": 0,
    "score": None,
    "raisedAt": "2026-11-30T12:00:00.000Z",
    "acknowledgedAt": "2026-11-30T12:01:00.000Z",
    "acknowledgedBy": "on call",
    "note": "known",
    "endedAt": None,
    "endReason": None,
    "mutedUntil": "2026-11-30T14:00:00.000Z",
}


class FakeApi:
    """Notes what is asked, and answers with one alert."""

    calls: list[tuple[str, str, Any]] = []  # noqa: RUF012

    def __init__(self, *_: object) -> None:
        """Asks nothing."""

    def ask(self, method: str, path: str, *, query: object = None, body: bytes = b"null") -> Any:
        self.calls.append((method, path, query or json.loads(body)))
        return {"items": [ALERT], "cursor": None} if method == "GET" else ALERT


@pytest.fixture(autouse=True)
def _api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "Api", FakeApi)
    monkeypatch.setattr(command, "find_target", lambda _: None)
    FakeApi.calls.clear()


def ran(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["alerts", *arguments], env={"COLUMNS": "80"})
    return result.exit_code, result.output


def test_an_alert_is_a_block_without_anything_that_steers_the_terminal() -> None:
    code, said = ran("list", "--state", "acknowledged")
    assert code == 0
    assert FakeApi.calls[0][2]["state"] == "acknowledged"
    assert "\x1b" not in said
    for part in (
        "0b4a0c63",
        "warning",
        "expected 1, observed 0",
        "by on call: known",
        "muted until",
        "commerce",
    ):
        assert part in said
    assert ran("list", "--json")[1].splitlines()[-1] == json.dumps(
        {"items": [ALERT], "cursor": None}, separators=(",", ":")
    )


def test_a_state_that_there_is_not_is_said_in_plain_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["alerts", "list", "--state", "open"]) == 2
    said = capsys.readouterr().err
    assert "'open' is not one of 'raised', 'acknowledged', 'ended'" in " ".join(said.split())
    assert "Value error" not in said


def test_what_is_acknowledged_or_muted_is_said_to_the_api() -> None:
    assert ran("ack", "an/id", "--note", "known")[0] == 0
    assert FakeApi.calls == [("POST", "/v1/alerts/~YW4vaWQ/acknowledge", {"note": "known"})]
    before = clock.now()
    assert ran("mute", "x", "--for", "2h", "--why", "a move", "--alike", "rule", "--alike", "kind")[0] == 0
    method, path, body = FakeApi.calls[-1]
    assert (method, path, body["reason"], body["alike"]) == (
        "POST",
        "/v1/alerts/x/mute",
        "a move",
        ["rule", "kind"],
    )
    assert 7199 <= (clock.parse(body["until"]) - before).total_seconds() <= 7260


@pytest.mark.parametrize(
    "arguments", [(), ("--for", "2h", "--until", "2026-12-01T00:00:00Z"), ("--for", "2w"), ("--for", "h")]
)
def test_a_mute_says_how_long(arguments: tuple[str, ...]) -> None:
    assert ran("mute", "x", "--why", "a move", *arguments)[0] != 0
    assert FakeApi.calls == []
