"""`millrace watch`: windows drawn within 80 columns, or once as JSON for a pipe."""

from typing import Any

import orjson
import pytest
import urllib3
from rich.console import Console

from cli.api import Api
from cli.commands import watch
from cli.main import run
from cli.output import out
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

    def ask(_: Api, method: str, path: str, query: Any = None, exact: bool = False) -> Any:
        requests.append((f"{method} {path}", query))
        return LISTED if path == watch.PATH else answer(item(10, "a", 3))

    monkeypatch.setattr(
        watch, "find_target", lambda _: Target("local", "http://localhost:1", keys={"org_acme": "k"})
    )
    monkeypatch.setattr(Api, "ask", ask)
    return requests


def drawn(found: dict[str, Any], known: dict[str, Any], *more: Any) -> str:
    console = Console(width=80, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(watch._drawn(found, known, *more))
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


def test_an_empty_value_of_a_key_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    urls: list[str] = []

    def request(_: urllib3.PoolManager, __: str, url: str, **___: Any) -> urllib3.HTTPResponse:
        urls.append(url)
        document = LISTED if url.endswith(watch.PATH) else answer()
        return urllib3.HTTPResponse(body=orjson.dumps(document), status=200)

    target = Target("local", "http://localhost:1", keys={"org_acme": "k"})
    monkeypatch.setattr(watch, "find_target", lambda _: target)
    monkeypatch.setattr(urllib3.PoolManager, "request", request)
    assert run(["watch", "by_merchant", "--by", "merchant=", "--json"]) == 0
    assert "?by.merchant=&" in urls[-1]


def test_json_has_every_digit_of_the_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    digits = (
        b'{"items":[{"revenue":499999999999999.95,"mean":0.10000000000000000001,"events":500}],"cursor":null}'
    )

    def request(_: urllib3.PoolManager, __: str, url: str, **___: Any) -> urllib3.HTTPResponse:
        body = orjson.dumps(LISTED) if url.endswith(watch.PATH) else digits
        return urllib3.HTTPResponse(body=body, status=200)

    target = Target("local", "http://localhost:1", keys={"org_acme": "k"})
    monkeypatch.setattr(watch, "find_target", lambda _: target)
    monkeypatch.setattr(urllib3.PoolManager, "request", request)
    assert run(["watch", "by_merchant", "--json"]) == 0
    assert capsys.readouterr().out.strip().encode() == digits


def test_what_the_table_leaves_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "width", 80)
    names = ["reports", *(f"a_rather_long_name_{at}" for at in range(5)), "pace"]
    known = {
        "keys": [{"name": "merchant"}],
        "measures": [{"name": name, "measure": "latest"} for name in names],
    }
    numbers = dict.fromkeys(names, 1.5)
    now = [item(10, f"m{at:02}", 1, **numbers) for at in range(21)]
    shown = drawn(answer(item(0, "gone", 1, **numbers), *now), known, 15, ["pace"])
    assert max(map(len, shown.splitlines())) <= 80
    table, _, notes = shown.partition("by_merchant, windows")
    assert "pace" in table
    assert "m14" in table
    assert "m15" not in table
    assert "the numbers are of 2026-11-21 10:10–10:20 UTC" in notes
    assert "6 more keys; --top 21" in notes
    assert "1 key had events only in earlier windows" in notes
    assert "4 more measures: a_rather_long_name_1, a_rather_long_name_2" in notes
    assert "choose with" in notes
    many = [item(10, f"m{at:02}", 1, **numbers) for at in range(watch.MOST_KEYS)]
    shown = drawn(answer(item(0, "gone", 1, **numbers), *many), known, 15)
    assert "at least 25 more keys; --top 40" in shown
    assert "earlier" not in shown


def test_what_is_no_number_is_shown_on_a_line() -> None:
    known = {
        "keys": [{"name": "merchant"}],
        "measures": [{"name": name, "measure": name} for name in ("top", "latest", "distribution")],
    }
    values = {
        "top": {
            "items": [{"value": "shoes\x1b", "count": 3.25}, {"value": "b" * 40, "count": 1}],
            "other": 0,
        },
        "latest": "visa",
        "distribution": [{"from": None, "to": 1, "count": 1}, {"from": 1, "to": None, "count": 8}],
    }
    shown = drawn(answer(item(10, "a", 1, **values)), known)
    for part in ("shoes\\u001b 3.25, bbb", "b…", "visa", "▁█"):
        assert part in shown
    assert "window " not in shown.partition("by_merchant")[0], "nothing has a line"


def test_no_name_of_the_list_is_parted_from_its_comma(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "width", 80)
    measures = [{"name": name} for name in ("spent", "projected_spend", "over_budget")]
    listed = {"name": "transactions_by_payment_method", "keys": [{"name": "payment_method"}], "window": "1h"}
    console = Console(width=80)
    with console.capture() as captured:
        console.print(watch._catalogue([{**listed, "measures": measures}]))
    assert "projected_spend, " in captured.get()
    assert "│ ," not in captured.get()


def test_windows_of_days_are_shown_as_days() -> None:
    month = {**item(0, "a", 1), "start": "2026-11-01T00:00:00.000Z", "end": "2026-12-01T00:00:00.000Z"}
    assert "the numbers are of 2026-11-01 to 2026-11-30 UTC" in drawn(answer(month), LISTED["items"][0])  # type: ignore[index]
    day = {**month, "start": "2026-11-30T00:00:00.000Z"}
    assert "2026-11-30" in drawn(answer(day), LISTED["items"][1])  # type: ignore[index]


def test_without_keys_each_window_is_a_row() -> None:
    found = answer(item(0, None, 1, key={}), item(10, None, 8, key={}))
    shown = drawn(found, LISTED["items"][1])  # type: ignore[index]
    assert "10:00–10:10" in shown
    assert drawn(answer(), LISTED["items"][1]).startswith("by_merchant: nothing")  # type: ignore[index]
