"""A story as people read it."""

from typing import Any

import pytest

from cli import story

NOON = "2026-11-30T12:00:00Z"


def item(kind: str, *, derived: bool = False, **said: Any) -> dict[str, Any]:
    return {
        "eventId": f"id of {kind}",
        "eventType": kind,
        "timestamp": said.pop("at", NOON),
        "platform": {"derivedFrom": "x"} if derived else {},
        "story": {"sincePreviousMs": None, "lateMs": 0, "cause": None, **said},
    }


def cause(elapsed: int | None, kind: str | None = "order.created") -> dict[str, Any]:
    return {"eventId": "first", "eventType": kind, "timestamp": None, "elapsedMs": elapsed}


def test_a_story_says_gaps_causes_decisions_alerts_and_what_is_awaited() -> None:
    alert = {"alertId": "a", "title": "Late", "severity": "warning", "state": "raised", "mutedUntil": None}
    awaited = {"pattern": "p", "eventTypes": ["order.completed"], "until": "12:30", "due": "12:32"}
    items = [
        item("order.created", awaits=[awaited], lateMs=180_000),
        item(
            "transaction.created",
            sincePreviousMs=4_800_000,
            decision={"riskClass": "HIGH", "score": 62},
            at="2026-11-30T13:20:00+00:00",
        ),
        item("transaction.created", decision=None, lateMs=-5000, at="2026-11-30T13:20:00Z"),
        item("alert.raised", derived=True, cause=cause(2000), alert=alert, at="2026-11-30T13:20:00Z"),
    ]
    assert list(story.lines(items, {"older": False, "alerts": False}, "correlationId", "c")) == [
        "11-30 12:00:00              order.created  id of order.created",
        "                            accepted 3m late",
        "                            awaits order.completed until 12:30, else an alert after 12:32 (p)",
        "11-30 13:20:00     +1h 20m  transaction.created  id of transaction.created",
        "                            decision HIGH, score 62",
        "11-30 13:20:00              transaction.created  id of transaction.created",
        "                            its clock is ahead by 5s",
        "                            no decision yet",
        "11-30 13:20:00              alert.raised  id of alert.raised",
        "                            from order.created first, 2s before",
        "                            alert a (warning, state raised): Late",
        "",
        "4 events in 1h 20m, 1 late, 2 decisions (1 missing), 1 alert (1 raised), 1 awaited.",
        "To acknowledge an alert: millrace alerts ack a",
    ]


def test_what_is_odd_or_left_out_is_said() -> None:
    items = [item("a.b", cause=cause(-60_000)), item("c.d", cause=cause(None, None))]
    told = list(story.lines(items, {"older": True, "alerts": True}, "correlationId", "c"))
    assert told[0] == "There are events before these; --to tells of them."
    assert told[2].strip() == "from order.created first, 1m LATER: clocks disagree"
    assert told[4].strip() == "from first, which has gone"
    assert told[-1] == "Without alerts: this key has no right to read them (alerts:read)."
    assert list(story.lines([], {}, "correlationId", "c")) == ["", "There are no such events."]


def test_what_the_filter_does_not_find_is_named() -> None:
    left_out = {"types": ["cart.item_added", "page.viewed"]}
    told = list(story.lines([item("a.b")], left_out, "correlationId", "c"))
    assert told[-1] == "Not found by correlationId: cart.item_added, page.viewed."
    *_, hint = story.lines([item("a.b")], {}, "userId", "usr 1")
    assert hint == "A story by userId has no alerts; they are listed by: millrace alerts list --user 'usr 1'"


@pytest.mark.parametrize(
    ("millis", "text"), [(0, "0ms"), (1001, "1s 1ms"), (90_061_000, "1d 1h"), (-60_000, "1m")]
)
def test_spans_are_in_two_units(millis: int, text: str) -> None:
    assert story.span(millis) == text
