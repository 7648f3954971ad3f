"""Reads of windows: what is sealed, folded and open is counted once each, and answers are bounded, ordered and clear."""

import csv
import io
import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.aggregates import answers, blocks, measures, rows
from millrace.aggregates.definition import Aggregate
from millrace.aggregates.fold import KeyValues
from millrace.aggregates.reads import TenantTiles
from millrace.api.analytics import AnalyticsApi
from millrace.api.router import Router
from millrace.api.user_ids import UserIds
from millrace.core import clock
from tests.support.aggregates import AT, LATER, ORG, OTHER_ORG, World, aggregate, aggregates, measure, payment
from tests.support.user_ids import KnownUsers

METRIC = "GET /v1/analytics/{metric}"
MORNING = {"from": "2026-11-21T06:00:00Z", "to": "2026-11-21T06:10:00Z"}


class Reader:
    """Asks the API over a world's table."""

    def __init__(self, world: World, users: KnownUsers | None = None) -> None:
        self.world = world
        self.warned: list[str] = []
        user_ids = UserIds(users or KnownUsers())
        api = AnalyticsApi(world.table, world.found, user_ids, self.warned.append, now=lambda: self.world.now)
        self._router = Router({METRIC: api.get, "GET /v1/analytics": api.list}, self.warned.append)

    def ask(
        self, metric: str = "merchant_10m", org: str = ORG, accept: str = "", **query: Any
    ) -> dict[str, Any]:
        said = {"org": org, "principal": "shop", "scopes": "events:read"}
        return self._router(
            {
                "version": "2.0",
                "routeKey": METRIC if metric else "GET /v1/analytics",
                "headers": {"accept": accept},
                "pathParameters": {"metric": metric},
                "queryStringParameters": {name: str(value) for name, value in query.items()},
                "requestContext": {
                    "requestId": "request",
                    "authorizer": {"lambda": said},
                    "http": {"sourceIp": "203.0.113.7", "method": "GET"},
                },
            }
        )

    def items(self, *more: Any, **query: Any) -> list[dict[str, Any]]:
        answer = self.ask(*more, **{**MORNING, **query})
        assert answer["statusCode"] == 200, answer["body"]
        found: list[dict[str, Any]] = json.loads(answer["body"])["items"]
        return found

    def volumes(self, **query: Any) -> dict[Any, int]:
        return {(one["start"][11:16], *one["key"].values()): one["volume"] for one in self.items(**query)}

    def refused(self, metric: str = "merchant_10m", **query: Any) -> tuple[int, str]:
        answer = self.ask(metric, **query)
        return answer["statusCode"], json.loads(answer["body"])["detail"]


@pytest.fixture
def world(bundle: Path) -> World:
    return World(
        aggregates(aggregate(), aggregate("users_10m", keys=("merchant", "user_key"), lateness_seconds=600))
    )


@pytest.fixture
def reader(world: World) -> Reader:
    world.now = LATER
    return Reader(world)


def seal(world: World, of: Aggregate, day: str, cut: str, tiles: blocks.Tiles) -> None:
    kinds = [measures.of(one) for one in of.measures]
    layout, packed = blocks.pack(tiles, kinds)
    key = {"S": rows.day_key(ORG, of, day)}
    texts = {"cut": cut, "generation": "g", "source": "s", "firstAt": f"{cut}T03:00:00Z"}
    head = {
        **{name: {"S": text} for name, text in texts.items()},
        "whole": {"N": "1"},
        "spans": {"N": str(layout.spans)},
        "blocks": {"N": str(layout.blocks)},
    }
    far = {"N": str(2**40)}
    world.table.put({"metricKey": key, "tileKey": {"S": rows.sealed_sort()}, "expiresAt": far, **head})
    for (span, block), held in packed.items():
        sort = {"S": rows.sealed_sort("g", span, block)}
        world.table.put({"metricKey": key, "tileKey": sort, "part": {"B": held}, "expiresAt": far})


def test_a_minute_is_seen_before_and_behind_its_fold_and_counted_once(world: World, reader: Reader) -> None:
    world.count(payment("a"), payment("a"), payment("b"))
    before = reader.items()
    assert {one["key"]["merchant"]: one["volume"] for one in before} == {"a": 2, "b": 1}
    assert {one["key"]["merchant"]: one["revenue"] for one in before} == {"a": 114.32, "b": 57.16}
    assert [one["final"] for one in before] == [False, False]
    world.fold()
    assert reader.items() == before
    world.count(payment("a"))
    assert reader.volumes() == {("06:00", "a"): 3, ("06:00", "b"): 1}, "folded and marked again"
    world.count(payment("a"), received=AT + timedelta(minutes=1))
    assert reader.volumes()["06:00", "a"] == 4
    assert reader.items(org=OTHER_ORG) == []


def test_windows_equal_a_plain_count_whatever_is_folded(world: World, reader: Reader) -> None:
    rng = random.Random(7)
    sent: list[tuple[str, datetime]] = []
    for number in range(40):
        received = AT + timedelta(minutes=number)
        made = [(rng.choice("abc"), received - timedelta(seconds=rng.randrange(3000))) for _ in range(5)]
        sent += made
        events = [payment(merchant, at) for merchant, at in made]
        world.now = received
        world.count(*events, received=received)
        if rng.random() < 0.5:
            world.count(*events[:3], received=received)
        if rng.random() < 0.3:
            world.fold(received)
    world.now = AT + timedelta(hours=1)
    start = datetime(2026, 11, 21, 5, 0, tzinfo=UTC)
    expected: Counter[tuple[str, str]] = Counter()
    for number in range(24):
        begin = start + timedelta(minutes=5 * number)
        for merchant, at in sent:
            if begin <= at < begin + timedelta(minutes=15):
                expected[f"{begin:%H:%M}", merchant] += 1
    asked = {"from": "2026-11-21T05:00:00Z", "to": "2026-11-21T07:00:00Z", "window": "15m", "slide": "5m"}
    assert reader.volumes(**asked, limit=500) == expected
    paged: dict[Any, int] = {}
    cursor: dict[str, str] = {}
    while True:
        page = json.loads(reader.ask(**asked, limit=7, **cursor)["body"])
        assert len(page["items"]) <= 7
        paged |= {(one["start"][11:16], one["key"]["merchant"]): one["volume"] for one in page["items"]}
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}
    assert paged == expected


def test_a_sealed_day_counts_up_to_its_cut_and_live_rows_from_there(world: World, reader: Reader) -> None:
    """Of the same events live rows are still there: what was received before the cut is not counted from them."""
    one = world.found.by_name["merchant_10m"]
    yesterday = AT - timedelta(days=1)
    world.now = yesterday
    world.count(payment("a", yesterday), payment("#b", yesterday), received=yesterday)
    world.fold(yesterday + timedelta(minutes=2))
    world.now = AT
    world.count(payment("a", yesterday), received=AT)
    states: dict[KeyValues, list[Any]] = {
        ("a",): [5, 50_000, {"1", "2"}, [1, 5]],
        ("#b",): [7, 70_000, {"3"}, [0, 7]],
    }
    tile = clock.epoch(yesterday) // 300 * 300
    seal(world, one, "2026-11-20", "2026-11-21", {tile: states, tile + 3600: {("c",): [1, 1, {"1"}, [0, 1]]}})
    asked = {"from": "2026-11-20T06:00:00Z", "to": "2026-11-20T06:10:00Z"}
    assert reader.volumes(**asked) == {("06:00", "a"): 6, ("06:00", "#b"): 7}
    assert reader.items(**asked)[1]["revenue"] == 5 + 57.16
    world.fold(AT + timedelta(minutes=5))
    assert reader.volumes(**asked) == {("06:00", "a"): 6, ("06:00", "#b"): 7}
    assert reader.volumes(**asked, **{"by.merchant": "#b"}) == {("06:00", "#b"): 7}
    # A redrive has yesterday's minute marked again, which is then read from its facts.
    world.count(payment("a", yesterday), received=yesterday)
    assert reader.volumes(**asked) == {("06:00", "a"): 6, ("06:00", "#b"): 7}
    assert reader.volumes(**{**asked, "to": "2026-11-20T08:00:00Z", "window": "1d"}) == {
        ("00:00", "a"): 6,
        ("00:00", "#b"): 7,
        ("00:00", "c"): 1,
    }


def test_blocks_that_a_part_no_longer_has_are_not_read(world: World, reader: Reader) -> None:
    """A minute that is folded anew may come to fewer blocks; the last ones of before still lie there."""
    world.count(payment("a"))
    world.fold()
    for (key, tile), row in world.lying("part").items():
        old = f"{tile.removesuffix('0')}1"
        world.stores.tables["Analytics"][key, old] = {**row, "tileKey": {"S": old}}
    assert reader.volumes() == {("06:00", "a"): 1}


def test_large_days_are_split_so_that_one_key_is_read_from_one_block(world: World) -> None:
    one = world.found.by_name["merchant_10m"]
    kinds = [measures.of(measure) for measure in one.measures]
    tiles: blocks.Tiles = {
        tile: {(f"m{number}",): [1, 2, {str(tile)}, [0, 1]] for number in range(40)}
        for tile in range(0, 86_400, 300)
    }
    layout, packed = blocks.pack(tiles, kinds)
    assert layout.blocks > 1
    assert len(packed) == layout.spans * layout.blocks
    found: blocks.Tiles = {}
    for span in range(layout.spans):
        block = packed[span, layout.block(("m7",))]
        blocks.merge(found, blocks.unpack(block, kinds, lambda key: key == ("m7",)), kinds)
    assert found.keys() == tiles.keys()
    assert all(by_key.keys() == {("m7",)} for by_key in found.values())
    saturated: blocks.Tiles = {
        tile: {("hot",): [1, 2, {f"{tile}-{n}" for n in range(2000)}, [0, 1]]}
        for tile in range(0, 86_400, 300)
    }
    layout, packed = blocks.pack(saturated, kinds)
    assert layout.spans > 1, "one key fills more than an item"
    assert max(map(len, packed.values())) < 300_000


def test_keys_are_chosen_ordered_and_cut(world: World, reader: Reader) -> None:
    world.count(*(payment(name, amount=amount) for name, amount in (("a", 5), ("b", 1), ("b", 1), ("c", 9))))

    def merchants(**query: Any) -> list[str]:
        return [one["key"]["merchant"] for one in reader.items(**query)]

    assert merchants() == ["a", "b", "c"]
    assert merchants(order="-revenue") == ["c", "a", "b"]
    assert merchants(order="revenue", top=2) == ["b", "a"]
    assert merchants(top=1) == ["b"], "the most events"
    assert merchants(**{"by.merchant": "c"}) == ["c"]
    assert merchants(**{"by.merchant": "nobody"}) == []
    both = reader.items("users_10m", **{"by.user_key": "596"})
    assert both[0]["key"] == {"merchant": "a", "user_key": "596"}


def test_keys_that_are_not_kept_are_added_up_and_said(bundle: Path) -> None:
    world = World(aggregates(aggregate(most_keys=2)))
    world.now = LATER
    reader = Reader(world)
    world.count(*(payment(name) for name in "aaabbcd"))
    for _ in range(2):
        answer = json.loads(reader.ask(**MORNING)["body"])
        assert answer["otherKeys"] is True
        assert [(one["key"], one["volume"], one.get("other", False)) for one in answer["items"]] == [
            ({"merchant": "a"}, 3, False),
            ({"merchant": "b"}, 2, False),
            ({}, 2, True),
        ]
        chosen = json.loads(reader.ask(**MORNING, **{"by.merchant": "c"})["body"])
        assert (chosen["items"], chosen["otherKeys"]) == ([], True), "it may be among the others"
        world.fold()


def test_a_window_is_final_when_its_lateness_is_over(world: World, reader: Reader) -> None:
    world.count(payment("a"))
    end = datetime(2026, 11, 21, 6, 10, tzinfo=UTC)
    for now, expected in ((end + timedelta(seconds=599), False), (end + timedelta(seconds=600), True)):
        world.now = now
        assert reader.items("users_10m")[0]["final"] is expected
    assert reader.items()[0]["final"] is False, "seven days"


def test_windows_of_the_log_are_sealed_only(bundle: Path) -> None:
    world = World(aggregates(aggregate(of_log=True, lateness_seconds=600)))
    reader, one = Reader(world), world.found.by_name["merchant_10m"]
    tile = clock.epoch(AT) // 300 * 300
    world.now = AT + timedelta(days=3)
    assert reader.items() == []
    tiles: blocks.Tiles = {tile: {("a",): [5, 50_000, {"1"}, [1, 5]]}}
    seal(world, one, "2026-11-21", "2026-11-21", tiles)
    assert [item["final"] for item in reader.items()] == [False]
    seal(world, one, "2026-11-21", "2026-11-22", tiles)
    assert [item["final"] for item in reader.items()] == [True]


def test_late_events_are_counted_in_the_answer(world: World, reader: Reader) -> None:
    world.count(payment("a", AT - timedelta(days=8)), payment("a"))
    assert json.loads(reader.ask(**MORNING)["body"])["late"] == 0, "it is counted when its minute is folded"
    world.fold()
    answer = json.loads(reader.ask(**MORNING)["body"])
    assert (answer["late"], answer["items"][0]["volume"]) == (1, 1)


def test_late_events_are_those_of_every_day_of_the_windows(bundle: Path) -> None:
    interest = measure("interest", "count", half_life_seconds=7 * 86_400)
    months = aggregate("months", measures=[interest], ranked_by="", window_seconds=30 * 86_400)
    world = World(aggregates(months))
    world.count(payment("a", AT - timedelta(days=8)))
    world.fold()
    reader = Reader(world)
    for query in ({}, {"window": "7d"}, {"window": "1d"}, MORNING):
        assert json.loads(reader.ask("months", **query)["body"])["late"] == 1
    earlier = {"window": "1d", "from": "2026-11-19T00:00:00Z", "to": "2026-11-21T00:00:00Z"}
    assert json.loads(reader.ask("months", **earlier)["body"])["late"] == 0


def test_an_empty_value_asks_for_events_without_the_key(bundle: Path) -> None:
    world = World(aggregates())
    world.now = LATER
    reader = Reader(world)
    without = payment("a")
    del without["data"]["payload"]["merchant"]
    world.count(payment("a"), without)
    for _ in range(2):
        (item,) = reader.items(**{"by.merchant": ""})
        assert (item["key"], item["volume"]) == ({"merchant": None}, 1)
        world.fold()


def test_csv_has_a_line_for_each_window_and_key(world: World, reader: Reader) -> None:
    world.count(payment('"a",b'), payment("c", amount=1e12))
    for how in ({"format": "csv"}, {"accept": "text/csv"}):
        answer = reader.ask(**MORNING, limit=1, **how)
        assert answer["headers"]["content-type"].startswith("text/csv")
        lines = list(csv.DictReader(io.StringIO(answer["body"])))
        assert [(one["merchant"], one["volume"], one["revenue"], one["final"]) for one in lines] == [
            ('"a",b', "1", "57.16", "false")
        ]
        more = reader.ask(**MORNING, limit=1, cursor=answer["headers"]["x-millrace-cursor"], **how)
        assert next(csv.DictReader(io.StringIO(more["body"])))["revenue"] == "1000000000000"


@pytest.mark.parametrize("merchant", ["=HYPERLINK(1)", "+a", "-a", "@a", "\ta"])
def test_a_key_that_would_be_a_formula_is_a_text_in_csv(world: World, reader: Reader, merchant: str) -> None:
    world.count(payment(merchant, amount=-5))
    body = reader.ask(**MORNING, format="csv")["body"]
    (line,) = csv.DictReader(io.StringIO(body))
    assert (line["merchant"], line["revenue"]) == (f"'{merchant}", "-5")
    assert [one["key"]["merchant"] for one in reader.items(**MORNING)] == [merchant]


def test_the_catalogue_says_what_can_be_asked(reader: Reader) -> None:
    answer = json.loads(reader.ask("")["body"])
    assert [one["name"] for one in answer["items"]] == ["merchant_10m", "users_10m"]
    assert answer["items"][1]["lateness"] == "10m"
    assert answer["items"][0]["keys"] == [{"name": "merchant", "type": "string"}]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"window": "7m"}, "no multiple of 5m"),
        ({"slide": "20m"}, "longer than the window"),
        ({"from": "2026-11-21T06:10:00Z", "to": "2026-11-21T06:10:00Z"}, "from is not before to"),
        ({"from": "2025-01-01T00:00:00Z"}, "more than 400 days apart"),
        ({"by.country": "DE"}, "its keys are merchant"),
        ({"order": "profit"}, "there are volume, revenue, customers, fraud_rate"),
        ({"colour": "red"}, "colour"),
        ({"top": "0"}, "top"),
        ({"cursor": "abc"}, "cursor"),
    ],
)
def test_what_cannot_be_answered_is_said(reader: Reader, query: dict[str, str], said: str) -> None:
    status, detail = reader.refused(**{**MORNING, **query})
    assert status == 400
    assert said in detail


def test_an_aggregate_that_is_not_there_is_answered_with_those_that_are(reader: Reader) -> None:
    assert reader.refused("nothing") == (
        404,
        "there is no aggregate nothing: there are merchant_10m, users_10m",
    )


def test_a_cursor_belongs_to_its_keys(world: World, reader: Reader) -> None:
    world.count(payment("a"), payment("b"))
    cursor = json.loads(reader.ask(**MORNING, limit=1)["body"])["cursor"]
    assert reader.ask(**MORNING, limit=1, cursor=cursor)["statusCode"] == 200
    assert reader.refused(**MORNING, **{"by.merchant": "b"}, limit=1, cursor=cursor)[0] == 400


def test_a_page_ends_where_it_costs_too_much(
    world: World, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.count(payment("a"), payment("b"))
    monkeypatch.setattr(answers, "MOST_MERGED", 1)
    answer = json.loads(reader.ask(**{**MORNING, "to": "2026-11-21T07:00:00Z"})["body"])
    assert len(answer["items"]) == 2
    assert answer["cursor"], "the windows behind it are the next page's"
    year = {"from": "2025-12-01T00:00:00Z", "to": "2026-11-21T07:00:00Z", "window": "1d"}
    cursor: dict[str, str] = {}
    found = pages = 0
    while True:
        answer = json.loads(reader.ask(**year, **cursor)["body"])
        found, pages = found + len(answer["items"]), pages + 1
        if answer["cursor"] is None:
            break
        cursor = {"cursor": answer["cursor"]}
    assert (found, pages > 5) == (2, True)


def test_every_kind_of_measure_comes_through_its_rows(bundle: Path) -> None:
    kinds = [
        measure("events", "count"),
        measure("revenue", "sum", "amount", "decimal"),
        measure("average", "mean", "amount", "decimal"),
        measure("least", "min", "amount", "decimal"),
        measure("last", "latest", "amount", "decimal"),
        measure("rate", "share", where=[{"field": "is_fraud", "equals": True}]),
        measure("users", "distinct", "user_key", "string"),
        measure("methods", "top", "payment_method", "string"),
        measure("sizes", "distribution", "amount", "decimal", edges=[10, 99.5]),
    ]
    world = World(aggregates(aggregate(measures=kinds, keys=(), ranked_by="")))
    world.now = LATER
    reader = Reader(world)
    world.count(payment(amount=9.99), payment(amount=100, at=AT + timedelta(seconds=1), is_fraud=True))
    for _ in range(2):
        (item,) = reader.items()
        assert item == {
            "start": "2026-11-21T06:00:00.000Z",
            "end": "2026-11-21T06:10:00.000Z",
            "key": {},
            "events": 2,
            "revenue": 109.99,
            "average": 54.995,
            "least": 9.99,
            "last": 100,
            "rate": 0.5,
            "users": 1,
            "methods": {"items": [{"value": "credit_card", "count": 2}], "other": 0},
            "sizes": [
                {"from": None, "to": 10, "count": 1},
                {"from": 10, "to": 99.5, "count": 0},
                {"from": 99.5, "to": None, "count": 1},
            ],
            "final": False,
        }
        world.fold()


def test_what_decays_counts_less_the_older_it_is(bundle: Path) -> None:
    faded = measure("interest", "count", half_life_seconds=7 * 86_400)
    month = aggregate("months", measures=[measure("volume", "count"), faded], window_seconds=30 * 86_400)
    world = World(aggregates(month))
    for days in (14, 7, 0):
        world.now = moment = AT - timedelta(days=days)
        world.count(payment("a", moment), received=moment)
        world.fold(moment + timedelta(minutes=2))
    world.count(payment("b", AT))
    world.now = LATER
    reader = Reader(world)
    # Without a question the window under way ends with today.
    answer = json.loads(reader.ask("months", order="-interest")["body"])
    assert (answer["window"], answer["slide"], answer["cursor"]) == ("30d", "1d", None)
    assert [one["end"] for one in answer["items"]] == ["2026-11-22T00:00:00.000Z"] * 2
    # 06:00 is eighteen hours before the end of the day.
    today = 2 ** (-18 / 168)
    assert [one["key"]["merchant"] for one in answer["items"]] == ["a", "b"]
    assert [one["volume"] for one in answer["items"]] == [3, 1]
    assert answer["items"][0]["interest"] == pytest.approx(1.75 * today, abs=1e-4)
    assert answer["items"][1]["interest"] == round(today, 4)
    (listed,) = json.loads(reader.ask("")["body"])["items"]
    assert listed["measures"][1] == {"name": "interest", "measure": "count", "halfLife": "7d"}
    assert reader.refused("months", window="32d") == (400, "window 32d is longer than 31d")


def test_what_is_derived_is_answered_and_ordered_by(bundle: Path) -> None:
    ratio = {"name": "spending", "kind": "ratio", "of": {"of": "revenue", "by": "volume"}}
    measures_ = [measure("volume", "count"), measure("revenue", "sum", "amount", "decimal")]
    world = World(aggregates(aggregate(measures=measures_, derived=[ratio])))
    world.count(*(payment(name, AT, amount=amount) for name, amount in (("a", 10), ("a", 5), ("b", 99))))
    world.now = LATER
    reader = Reader(world)
    found = reader.items(order="-spending", top=1)
    assert [(one["key"]["merchant"], one["spending"]) for one in found] == [("b", 99)]
    body = reader.ask(**MORNING, format="csv")["body"]
    lines = [*csv.DictReader(io.StringIO(body))]
    assert [line["spending"] for line in lines] == ["7.5", "99"]
    (listed,) = json.loads(reader.ask("")["body"])["items"]
    assert listed["measures"][-1] == {"name": "spending", "measure": "ratio"}


@pytest.mark.parametrize("zone", ["", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize(
    "asked",
    [
        {"to": "0001-01-01T00:00:00Z"},
        {"from": "0001-01-01T00:00:00Z", "to": "0001-01-02T00:00:00Z"},
        {"to": "1970-01-01T00:00:00Z"},
        {"from": "9999-12-31T23:59:58Z", "to": "9999-12-31T23:59:59Z"},
        {"from": "9999-12-31T23:59:59Z"},
    ],
)
def test_where_nothing_can_be_counted_hardly_anything_is_read(
    reader: Reader, asked: dict[str, str], zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader.world.now = AT
    spans: list[int] = []

    def pieces(_: TenantTiles, start: int, end: int) -> dict[int, Any]:
        spans.append(end - start)
        return {}

    monkeypatch.setattr(TenantTiles, "pieces", pieces)
    more = {"timeZone": zone} if zone else {"slide": "5m"}
    answer = reader.ask(window="1d", **asked, **more)
    if asked == {"from": "9999-12-31T23:59:59Z"}:
        assert (answer["statusCode"], "from is not before to" in answer["body"]) == (400, True)
    else:
        assert (answer["statusCode"], json.loads(answer["body"])["items"]) == (200, [])
    # A question before 1970 once read its day anew for each of its 288 windows.
    assert sum(spans) <= 3 * 86_400


def test_an_end_in_the_far_future_is_an_open_one(reader: Reader, world: World) -> None:
    world.count(payment("a"), payment("b"))
    start = clock.utc_text(AT - timedelta(hours=1))
    far, near = (reader.volumes(**{"from": start, "to": to}) for to in ("9999-12-31T23:59:59Z", _end(world)))
    assert far == near != {}


def _end(world: World) -> str:
    return clock.utc_text(world.now + timedelta(minutes=15))


@pytest.mark.parametrize(
    "forged", ["1796054700+" + "5" * 5_000, "9" * 4_400 + "+0", "９+0", "+0", "-1+0", "1+-1"]
)
def test_a_position_is_two_numbers_of_some_digits(forged: str) -> None:
    assert answers.Position.of(forged) is None
    assert answers.Position.of("1796054700+5") == answers.Position(1_796_054_700, 5)


def test_a_page_asks_for_late_events_of_its_own_days_alone(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def late(_: TenantTiles, start: int, end: int) -> int:
        asked.append(end - start)
        return 0

    monkeypatch.setattr(TenantTiles, "late", late)
    query, pages = {"from": clock.utc_text(reader.world.now - timedelta(days=390))}, 0
    while pages == 0 or "cursor" in query:
        answer = reader.ask(window="1d", **query)
        assert answer["statusCode"] == 200
        pages += 1
        cursor = json.loads(answer["body"])["cursor"]
        query = {"from": query["from"], **({"cursor": cursor} if cursor else {})}
    assert pages > 10
    assert max(asked) <= 33 * 86_400
    assert sum(asked) >= 389 * 86_400
