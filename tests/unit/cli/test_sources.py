"""Sources as people read them, and what the commands ask of the API."""

import json
from collections import Counter
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import database_reading
from cli.commands import sources as command
from cli.errors import RefusedError
from cli.main import app
from millrace.cdc.database import Slot
from millrace.cdc.reader import Report

SOURCE: dict[str, Any] = {
    "name": "stripe",
    "kind": "webhook",
    "scheme": "stripe",
    "path": "/v1/webhooks/stripe",
    "state": "paused",
    "changedAt": "2026-11-30T12:00:00.000Z",
    "changedBy": "on call",
    "reading": None,
    "lastSeenAt": "2026-11-30T11:58:00.000Z",
    "freshnessSeconds": None,
    "late": False,
}
HOUR = {"accepted": 1234, "duplicates": 5, "conflicts": 0, "rejected": 7, "unavailable": 0}
BUS = {
    **SOURCE,
    "name": "shop",
    "kind": "bus",
    "scheme": None,
    "path": None,
    "state": "active",
    "changedAt": None,
    "lastSeenAt": None,
    "freshnessSeconds": 6 * 3600,
    "late": True,
}


class FakeApi:
    """Notes what is asked, and answers with two sources."""

    calls: list[tuple[str, str]] = []  # noqa: RUF012
    items: list[dict[str, Any]] = []  # noqa: RUF012
    one: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, *_: object) -> None:
        """Asks nothing."""

    def ask(self, method: str, path: str, *, body: bytes = b"") -> Any:
        self.calls.append((method, path))
        if method == "GET":
            return {"items": self.items, "cursor": None} if path == "/v1/sources" else self.one
        return SOURCE


@pytest.fixture(autouse=True)
def _api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "Api", FakeApi)
    monkeypatch.setattr(command, "find_target", lambda _: None)
    FakeApi.calls.clear()
    FakeApi.items = [SOURCE, BUS]


def ran(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["sources", *arguments], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    return result.output


def test_the_list_says_what_is_paused_and_where_a_provider_delivers() -> None:
    said = ran("list")
    for part in ("stripe", "webhook", "paused", "/v1/webhooks/stripe", "shop", "bus", "active"):
        assert part in said
    assert json.loads(ran("list", "--json").splitlines()[-1])["items"] == [SOURCE, BUS]
    FakeApi.items = []
    assert "schemas/sources/<name>.yaml" in ran("list")


def test_the_list_says_how_far_a_database_is_and_why_it_is_stopped() -> None:
    reading = {"status": "streaming", "reason": None, "lagBytes": 0, "readAt": "2026-11-30T12:00:00.000Z"}
    shop = {**BUS, "kind": "postgres", "reading": reading}
    FakeApi.items = [shop]
    assert "streaming" in ran("list")
    FakeApi.items = [{**shop, "reading": {**reading, "status": "stopped", "reason": "the slot was dropped"}}]
    said = ran("list")
    assert "stopped" in said
    assert "shop: the slot was dropped" in said
    FakeApi.items = [{**shop, "state": "paused"}]
    assert "paused" in ran("list")


def test_the_list_says_which_are_late() -> None:
    said = ran("list")
    assert "never, late" in said
    assert said.count("late") == 1


def test_a_source_is_shown_with_its_hours() -> None:
    FakeApi.one = {**BUS, "hours": [{"hour": "2026-11-30T11:00:00Z", **HOUR}]}
    said = ran("show", "shop", "--hours", "48")
    assert FakeApi.calls == [("GET", "/v1/sources/shop?hours=48")]
    for part in ("shop, bus, active", "nothing came in 35 days", "every 6h", "1,234", "2026-11-30T11:00:00Z"):
        assert part in said
    assert json.loads(ran("show", "shop", "--json").splitlines()[-1]) == FakeApi.one


def test_a_source_is_paused_and_resumed_by_its_name() -> None:
    assert "stripe is paused" in ran("pause", "stripe")
    assert json.loads(ran("resume", "a/b", "--json").splitlines()[-1]) == SOURCE
    assert FakeApi.calls == [
        ("POST", "/v1/sources/stripe/pause"),
        ("POST", "/v1/sources/a%2Fb/resume"),
    ]


def test_a_read_of_a_database_says_what_became_of_it_and_a_stopped_one_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slot = Slot(confirmed=0x1876ED8, wal_status="reserved", lag_bytes=1200, kept_bytes=0)
    outcomes = Counter({"accepted": 1000, "duplicate": 3, "rejected": 2, "conflict": 1})
    report = Report("streaming", outcomes=outcomes, slot=slot)
    monkeypatch.setattr(database_reading, "read", lambda *_: report)
    said = ran("read", "shop")
    assert [line.split() for line in said.splitlines()] == [
        ["read", "1,006"],
        ["accepted", "1,000"],
        ["duplicates", "3"],
        ["refused", "3"],
        ["lag", "1,200", "bytes"],
        ["shop", "is", "streaming,", "at", "0/1876ED8"],
    ]
    document = json.loads(ran("read", "shop", "--json").splitlines()[-1])
    assert (document["refused"], document["lagBytes"], document["lsn"]) == (3, 1200, 0x1876ED8)
    report.status, report.message, report.slot = "stopped", "the slot was dropped", None
    result = CliRunner().invoke(app, ["sources", "read", "shop"])
    assert isinstance(result.exception, RefusedError)
    assert str(result.exception) == "shop: the slot was dropped"
