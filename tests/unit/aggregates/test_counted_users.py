"""Windows by user: counted under the numbers of people, asked for and answered by users' ids."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.aggregates import registry
from millrace.aggregates.definition import Aggregate
from millrace.core import clock
from tests.support.aggregates import AT, LATER, PAYMENT, World, aggregate, aggregates, measure, payment
from tests.support.user_ids import KnownUsers
from tests.unit.aggregates.test_reads import MORNING, Reader, seal

ANN, BOB, CARL = 4503599627370539, 4503599627370777, 9007199254740990
KNOWN = KnownUsers({"42": ANN, "bob": BOB})


def by(*columns: str) -> list[dict[str, Any]]:
    types = {"user_id": "long"}
    return [
        {"name": one, "of": {PAYMENT: one}, "type": types.get(one, "string"), "of_user": one != "merchant"}
        for one in columns
    ]


def of_users(name: str, *columns: str, **changes: Any) -> Aggregate:
    return Aggregate.from_json(
        {
            **{field: getattr(aggregate(), field) for field in Aggregate.__slots__ if field not in ("keys",)},
            "name": name,
            "measures": [measure("volume", "count")],
            "derived": [],
            "keys": by(*columns),
            **changes,
        }
    )


@pytest.fixture
def world(bundle: Path) -> World:
    made = World(
        aggregates(
            of_users("by_user", "user_key"),
            of_users("by_number", "merchant", "user_id"),
            of_users(
                "payers",
                "merchant",
                measures=[
                    measure("volume", "count"),
                    measure("first", "top", "user_key", "string", of_user=True),
                    measure("last", "latest", "user_id", "long", of_user=True),
                ],
            ),
        )
    )
    made.now = LATER
    return made


@pytest.fixture
def reader(world: World) -> Reader:
    return Reader(world, KNOWN)


def keys(items: list[dict[str, Any]]) -> list[Any]:
    return [[*one["key"].values(), one["volume"]] for one in items]


def test_keys_are_asked_for_and_answered_by_ids(world: World, reader: Reader) -> None:
    world.count(payment(user_id=ANN), payment(user_id=ANN), payment(user_id=BOB), payment(user_id=CARL))
    for _ in range(2):
        # By number: in no order of ids.
        assert keys(reader.items("by_user")) == [["42", 2], ["bob", 1], [str(CARL), 1]]
        assert keys(reader.items("by_user", **{"by.user_key": "42"})) == [["42", 2]]
        assert keys(reader.items("by_user", **{"by.user_key": "bob"})) == [["bob", 1]]
        assert reader.items("by_user", **{"by.user_key": str(ANN)}) == [], "that is nobody's id"
        assert reader.items("by_user", **{"by.user_key": "43"}) == []
        # An id that is no number stays a text where the column is of numbers; a number that is one stays a number.
        assert keys(reader.items("by_number")) == [["a", 42, 2], ["a", "bob", 1], ["a", CARL, 1]]
        for spelt in ("42", "042"):
            assert keys(reader.items("by_number", **{"by.user_id": spelt})) == [["a", 42, 2]]
        (item,) = reader.items("payers")
        top = [(one["value"], one["count"]) for one in item["first"]["items"]]
        assert top == [("42", 2), ("bob", 1), (str(CARL), 1)]
        world.fold()


def test_the_latest_user_is_named(world: World, reader: Reader) -> None:
    world.count(payment(user_id=BOB), payment(at=AT + timedelta(seconds=5), user_id=ANN))
    assert [one["last"] for one in reader.items("payers")] == [42]


def test_windows_from_before_are_those_of_the_same_user(world: World, reader: Reader) -> None:
    """Counted under the id, in sealed days and in minutes: they are added to what is counted under the number."""
    yesterday, of = AT - timedelta(days=1), world.found.by_name["by_user"]
    tile = clock.epoch(yesterday) // 300 * 300
    sealed: dict[Any, Any] = {("42",): [5], (str(ANN),): [7], ("43",): [1]}
    seal(world, of, "2026-11-20", "2026-11-21", {tile: sealed})
    world.count(payment(user_id=42), payment(user_id=ANN), payment(user_id=43))
    asked = {**MORNING, "from": "2026-11-20T06:00:00Z", "by.user_key": "42", "window": "1d"}
    for _ in range(2):
        assert keys(reader.items("by_user", **asked)) == [["42", 12], ["42", 2]]
        world.fold()


def test_a_page_of_users_goes_on_where_it_ended(world: World, reader: Reader) -> None:
    world.count(*(payment(user_id=ANN + number) for number in range(20)))
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = json.loads(reader.ask("by_user", **MORNING, limit=7, **cursor)["body"])
        found += [one["key"]["user_key"] for one in page["items"]]
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}
    assert sorted(found) == sorted(["42", *(str(ANN + number) for number in range(1, 20))])


def test_a_csv_names_users_by_their_ids(world: World, reader: Reader) -> None:
    world.count(payment(user_id=BOB))
    answer = reader.ask("by_user", **MORNING, format="csv")
    assert answer["body"].splitlines()[1].split(",")[2:4] == ["bob", "1"]


def test_the_build_says_which_keys_are_users(bundle: Path) -> None:
    found = registry.load(bundle).by_name
    of_user = {name: [key.name for key in one.keys if key.of_user] for name, one in found.items()}
    assert {name: names for name, names in of_user.items() if names} == {
        "interests": ["user"],
        "orders_by_user": ["user"],
        "transactions_by_user": ["user"],
    }
    measured = {one.name: one.of_user for one in found["transactions"].measures}
    assert (measured["customers"], measured["merchants"]) == (True, False)
