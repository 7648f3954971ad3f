"""`millrace watch`: windows drawn within 80 columns, or once as JSON for a pipe."""

from typing import Any

import orjson
import pytest
from rich.console import Console

from cli.api import Api
from cli.commands import watch
from cli.main import run
from cli.target import Target

LISTED = {
    "items": [
        {
            "name": "by_merchant",
            "keys": [{"name": "merchant", "type": "string"}],
            "measures": [
                {"name": name, "measure": "count"}
                for name in ("transactions", "revenue", "average", "methods")
            ],
            "window": "10m",
        },
        {
            "name": "totals",
            "keys": [],
            "measures": [{"name": "transactions", "measure": "count"}],
            "window": "1h",
        },
    ],
    "cursor": None,
}


def item(start: int, merchant: str | None, transactions: int, **more: Any) -> dict[str, Any]:
    return {
        "start": f"2026-11-21T10:{start:02}:00.000Z",
        "end": f"2026-11-21T10:{start + 10:02}:00.000Z",
        "key": {"merchant": merchant},
        "transactions": transactions,
        "revenue": transactions * 1234567.5,
        "average": None,
        "methods": {"items": [], "other": 0},
        "final": False,
        **more,
    }


def answer(*items: dict[str, Any], other: bool = False, late: int = 0) -> dict[str, Any]:
    return {
        "metric": "by_merchant",
        "window": "10m",
        "slide": "10m",
        "items": list(items),
        "otherKeys": other,
        "late": late,
        "cursor": None,
    }


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    requests: list[tuple[str, Any]] = []

    def ask(_: Api, method: str, path: str, query: Any = None) -> Any:
        requests.append((f"{method} {path}", query))
        return LISTED if path == watch.PATH else answer(item(10, "a", 3))

    monkeypatch.setattr(
        watch, "find_target", lambda _: Target("local", "http://localhost:1", keys={"org_acme": "k"})
    )
    monkeypatch.setattr(Api, "ask", ask)
    return requests


def drawn(found: dict[str, Any], known: dict[str, Any]) -> str:
    console = Console(width=80, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(watch._drawn(found, known))
    return captured.get()


def test_a_pipe_gets_the_last_windows_once(
    asked: list[tuple[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["watch", "by_merchant", "--by", "merchant=a=b", "--order", "-revenue"]) == 0
    assert orjson.loads(capsys.readouterr().out)["items"][0]["transactions"] == 3
    path, query = asked[-1]
    assert path == "GET /v1/analytics/by_merchant"
    assert query.items() >= {"by.merchant": "a=b", "order": "-revenue", "top": "15"}.items()
    assert "window" not in query


def test_without_a_name_the_aggregates_are_listed(
    asked: list[tuple[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["watch"]) == 0
    shown = capsys.readouterr().out
    assert "by_merchant" in shown
    assert "totals" in shown
    assert run(["watch", "by_merchant", "--by", "merchant"]) == 2


def test_keys_have_a_line_of_their_past_and_the_numbers_of_now() -> None:
    found = answer(
        item(0, "a", 1),
        item(10, "a", 8),
        item(10, "b\x1b[31m", 4),
        item(10, None, 2),
        item(10, "", 9, other=True, key={}),
        other=True,
        late=1200,
    )
    shown = drawn(found, LISTED["items"][0])  # type: ignore[index]
    assert max(map(len, shown.splitlines())) <= 80
    assert "▁▇" in shown
    assert "(other)" in shown
    assert "\x1b" not in shown
    assert "1,200 events came too late to be counted" in shown
    assert "10:10–10:20 UTC" in shown


def test_moments_are_shown_and_measures_can_be_chosen(
    asked: list[tuple[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    known = {
        "keys": [{"name": "merchant", "type": "string"}],
        "measures": [{"name": name, "measure": "reached"} for name in ("used", "spent")],
    }
    items = [
        item(10, name, 1, used=used, spent=2)
        for name, used in (("a", "2026-12-24T18:00:00.000000Z"), ("b", None))
    ]
    shown = drawn(answer(*items), known)
    assert "2026-12-24 18:00" in shown
    assert "█" in shown
    assert [one["name"] for one in watch._chosen(known, ["spent"])] == ["spent"]
    assert run(["watch", "by_merchant", "--measure", "nothing"]) == 2
    assert "there are transactions, revenue" in capsys.readouterr().err


def test_a_funnel_has_a_column_for_each_step_and_its_conversions() -> None:
    steps = [
        {"event": "product.viewed", "sessions": 1200, "conversion": None},
        {"event": "cart.item_added", "sessions": 300, "conversion": 0.25},
    ]
    known = {"keys": [], "measures": [{"name": "steps", "measure": "funnel"}]}
    found = answer(item(0, None, 1, key={}, steps={"steps": steps, "exact": False}))
    shown = drawn(found, known)
    assert "2 item_added" in shown
    assert "1,200" in shown
    assert "steps: about product.viewed 1,200 → cart.item_added 300 (25.0%)" in shown
    steps = [{"event": "a.very.long.event", "sessions": 1200, "conversion": 0.25}] * 6
    shown = drawn(answer(item(0, None, 1, key={}, steps={"steps": steps, "exact": True})), known)
    assert shown.count("a.very.long.event 1,200") == 6


def test_windows_of_days_are_shown_as_days() -> None:
    month = {**item(0, "a", 1), "start": "2026-11-01T00:00:00.000Z", "end": "2026-12-01T00:00:00.000Z"}
    assert "the last is 2026-11-01 to 2026-11-30 UTC" in drawn(answer(month), LISTED["items"][0])  # type: ignore[index]
    day = {**month, "start": "2026-11-30T00:00:00.000Z"}
    assert "2026-11-30" in drawn(answer(day), LISTED["items"][1])  # type: ignore[index]


def test_without_keys_each_window_is_a_row() -> None:
    found = answer(item(0, None, 1, key={}), item(10, None, 8, key={}))
    shown = drawn(found, LISTED["items"][1])  # type: ignore[index]
    assert "10:00–10:10" in shown
    assert drawn(answer(), LISTED["items"][1]).startswith("by_merchant: nothing")  # type: ignore[index]
