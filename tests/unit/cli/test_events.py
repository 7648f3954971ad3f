"""`millrace events`: the newest events of all types, and each new one exactly once."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from cli.api import Api
from cli.commands import events
from cli.main import run
from cli.target import Target
from millrace.core import clock


class World:
    """The API's list by type, newest first, in pages of two."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []

    def accept(self, name: str, kind: str = "order.created", at: datetime | None = None) -> None:
        now = clock.utc_micros(at or datetime.now(UTC))
        platform = {"receivedAt": now}
        self.events.append({"eventId": name, "eventType": kind, "timestamp": now, "platform": platform})

    def ask(self, _: str, path: str, query: dict[str, Any] | None = None) -> Any:
        assert query is not None
        if path == "/v1/schemas":
            # More contracts than a page holds; a type has one for each major.
            first = query["cursor"] is None
            kinds = ("order.created", "page.viewed") if first else ("page.viewed", "ticket.opened")
            return {"items": [{"eventType": kind} for kind in kinds], "cursor": "2" if first else None}
        self.requests.append(query)
        since = clock.parse(query["from"]) if query["from"] else datetime.min.replace(tzinfo=UTC)
        listed = [
            event
            for event in self.events
            if event["eventType"] == query["eventType"] and clock.parse(event["timestamp"]) >= since
        ]
        listed.sort(key=lambda event: (event["timestamp"], event["eventId"]), reverse=True)
        start = int(query["cursor"] or 0)
        end = start + min(2, int(query["limit"]))
        return {"items": listed[start:end], "cursor": str(end) if end < len(listed) else None}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(
        events, "find_target", lambda _: Target("local", "http://localhost:1", keys={"org_acme": "k"})
    )
    monkeypatch.setattr(Api, "ask", lambda _, *given, **more: made.ask(*given, **more))
    return made


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [orjson.loads(line)["eventId"] for line in capsys.readouterr().out.splitlines()]


def test_the_latest_of_all_types_come_newest_first(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    start = datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)
    for number, kind in enumerate(("order.created", "page.viewed", "ticket.opened")):
        world.accept(f"e{number}", kind, start + timedelta(seconds=number))
    assert run(["events", "latest", "--limit", "2"]) == 0
    assert printed(capsys) == ["e2", "e1"]
    assert run(["events", "latest", "--type", "page.viewed", "--json"]) == 0
    assert printed(capsys) == ["e1"]


def test_a_person_gets_a_line_an_event_in_80_columns(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.accept("1532fa55-7c4d-42cb-a153-36c7cf6561b6", at=datetime(2026, 11, 20, tzinfo=UTC))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert run(["events", "latest"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line == "11-20 00:00:00 order.created                1532fa55-7c4d-42cb-a153-36c7cf6561b6"
    assert len(line) == 80


def test_tail_shows_each_new_event_once_and_none_of_before(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.accept("before")
    same = datetime.now(UTC)
    # Five at one microsecond; then one more at that microsecond, and one of earlier.
    rounds = iter(
        [{f"a{number}": same for number in range(5)}, {"a9": same, "late": same - timedelta(seconds=20)}, {}]
    )

    def wait(_: float) -> None:
        accepted = next(rounds, None)
        if accepted is None:
            raise KeyboardInterrupt
        for name, at in accepted.items():
            world.accept(name, at=at)

    monkeypatch.setattr(time, "sleep", wait)
    assert run(["events", "tail", "--type", "order.created"]) == 130
    assert sorted(printed(capsys)) == ["a0", "a1", "a2", "a3", "a4", "a9", "late"]


def test_a_quiet_type_is_read_less_often_and_misses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rounds = 0

    def wait(_: float) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 40:
            world.accept("rare", "page.viewed")
        if rounds == 50:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", wait)
    assert run(["events", "tail"]) == 130
    assert printed(capsys) == ["rare"]
    reads = [one for one in world.requests if one["eventType"] == "page.viewed"]
    assert len(reads) < 20
