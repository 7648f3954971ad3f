"""Folded facts: the same whatever the order, the copies and the batches, and equal to what a plain count says."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from millrace.aggregates import measures
from millrace.aggregates.definition import TILE_SECONDS, Aggregate, Measure
from millrace.aggregates.facts import Fact, pack, unpack
from millrace.aggregates.fold import OTHER, Fold, Part

TYPES = {"payment.made": {"merchant": "string", "amount": "decimal", "user": "long", "fraud": "boolean"}}
NAMES: list[tuple[str, str, str]] = [
    ("events", "count", ""),
    ("revenue", "sum", "amount"),
    ("average", "mean", "amount"),
    ("least", "min", "amount"),
    ("greatest", "max", "amount"),
    ("fraud_rate", "share", ""),
    ("users", "distinct", "user"),
    ("top_users", "top", "user"),
    ("sizes", "distribution", "amount"),
]
START = 1_763_700_600  # the beginning of a tile, in seconds


def aggregate(
    *, most_keys: int = 1000, lateness: int = 7 * 86_400, keys: tuple[str, ...] = ("merchant",)
) -> Aggregate:
    return Aggregate.from_json(
        {
            "name": "payments",
            "version": "1.0.0",
            "description": "",
            "owner": "",
            "events": ["payment.made"],
            "of_log": False,
            "where": [{"field": "amount", "present": True}],
            "keys": [{"name": key, "of": {"payment.made": key}, "type": "string"} for key in keys],
            "measures": [
                {
                    "name": name,
                    "kind": kind,
                    "of": {"payment.made": of} if of else {},
                    "type": TYPES["payment.made"][of] if of else "",
                    "where": [{"field": "fraud", "equals": True}] if kind == "share" else [],
                    "most": 2,
                    "edges": [10, 99.5] if kind == "distribution" else [],
                }
                for name, kind, of in NAMES
            ],
            "most_keys": most_keys,
            "ranked_by": "events",
            "lateness_seconds": lateness,
            "retention_days": 400,
            "window_seconds": 600,
        }
    )


def fact(number: int, values: Mapping[str, Any], at: int = START, received: int | None = None) -> Fact:
    return Fact(
        id=number.to_bytes(16, "big"),
        event_type="payment.made",
        happened_at=at * 1_000_000,
        received_at=(at if received is None else received) * 1000,
        values=values,
    )


def stored(part: Part, of: Aggregate) -> dict[int, dict[Any, list[Any]]]:
    kinds = [measures.of(measure) for measure in of.measures]
    return {
        tile: {
            key: [kind.cut(state) for kind, state in zip(kinds, states, strict=True)]
            for key, states in keys.items()
        }
        for tile, keys in part.tiles.items()
    }


def shown(states: Iterable[Any], of: Aggregate) -> dict[str, Any]:
    kinds = {measure.name: measures.of(measure) for measure in of.measures}
    return measures.answer(kinds, dict(zip(kinds, states, strict=True)))


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "merchant": st.none() | st.sampled_from(["a", "b", "c#d", "%"]),
            "amount": st.none() | st.integers(-(10**16), 10**16),
            "user": st.none() | st.integers(0, 5),
            "fraud": st.none() | st.booleans(),
        }
    ),
    max_size=30,
)


@given(ROWS, st.randoms(use_true_random=False), st.integers(1, 4), st.integers(1, 5))
def test_order_copies_and_batches_change_nothing(
    rows: list[dict[str, Any]], chance: random.Random, batches: int, most_keys: int
) -> None:
    one = aggregate(most_keys=most_keys)
    fold = Fold([one], TYPES)
    facts = [fact(number, row, START + number * 40) for number, row in enumerate(rows)]
    expected = fold.parts(facts).get("payments", Part())
    delivered = [*facts, *chance.choices(facts, k=len(facts))] if facts else []
    chance.shuffle(delivered)
    packed = [pack(delivered[at::batches]) for at in range(batches)]
    again = fold.parts(part for batch in packed for part in unpack(batch)).get("payments", Part())
    assert stored(again, one) == stored(expected, one)
    assert again.late == expected.late


# Users of whom some come more often than others, and more of them than are shown; amounts whose mean is half of a unit.
MANY = [{"merchant": "a", "amount": 1, "user": user, "fraud": None} for user in (0, 1, 2, 3, 4, 4)]
HALVES = [{"merchant": "a", "amount": amount, "user": None, "fraud": None} for amount in (0, 1)]


@given(ROWS)
@example(MANY)
@example(HALVES)
def test_a_part_is_what_a_plain_count_says(rows: list[dict[str, Any]]) -> None:
    one = aggregate()
    part = (
        Fold([one], TYPES).parts(fact(number, row) for number, row in enumerate(rows)).get("payments", Part())
    )
    keys = part.tiles.get(START, {})
    counted = [row for row in rows if row["amount"] is not None]
    assert set(keys) == {(row["merchant"],) for row in counted}
    for (merchant,), states in keys.items():
        mine = [row for row in counted if row["merchant"] == merchant]
        amounts = [Decimal(row["amount"]).scaleb(-4) for row in mine]
        users = Counter(str(row["user"]) for row in mine if row["user"] is not None)
        answer = shown(states, one)
        ranked = sorted(users.items(), key=lambda item: (-item[1], item[0]))
        assert answer == {
            "events": len(mine),
            "revenue": sum(amounts),
            "average": (sum(amounts, Decimal(0)) / len(amounts)).quantize(Decimal("0.0001")),
            "least": min(amounts),
            "greatest": max(amounts),
            "fraud_rate": sum(row["fraud"] is True for row in mine) / len(mine),
            "users": len(users),
            "top_users": {
                "items": [{"value": name, "count": number} for name, number in ranked[:2]],
                "other": sum(number for _, number in ranked[2:]),
            },
            "sizes": [
                {"from": None, "to": 10, "count": sum(amount < 10 for amount in amounts)},
                {"from": 10, "to": 99.5, "count": sum(10 <= amount < Decimal("99.5") for amount in amounts)},
                {"from": 99.5, "to": None, "count": sum(amount >= Decimal("99.5") for amount in amounts)},
            ],
        }


@given(st.lists(st.integers(0, 3000), max_size=2000), st.integers(1, 4), st.randoms(use_true_random=False))
def test_merged_parts_are_as_if_counted_at_once(users: list[int], parts: int, chance: random.Random) -> None:
    one = aggregate(keys=())
    fold = Fold([one], TYPES)
    facts = [
        fact(number, {"merchant": None, "amount": number, "user": user, "fraud": None})
        for number, user in enumerate(users)
    ]
    whole = fold.parts(facts).get("payments", Part())
    made = [stored(fold.parts(facts[at::parts]).get("payments", Part()), one) for at in range(parts)]
    chance.shuffle(made)
    kinds = [measures.of(measure) for measure in one.measures]
    merged: list[Any] | None = None
    for part in made:
        for keys in part.values():
            states = [kind.read(state) for kind, state in zip(kinds, keys[()], strict=True)]
            merged = (
                states
                if merged is None
                else [kind.merge(*pair) for kind, *pair in zip(kinds, merged, states, strict=True)]
            )
    if merged is None:
        assert not whole.tiles
        return
    exact = [at for at, measure in enumerate(one.measures) if measure.kind != "top"]
    cut = [kind.cut(state) for kind, state in zip(kinds, merged, strict=True)]
    assert [cut[at] for at in exact] == [stored(whole, one)[START][()][at] for at in exact]


class Ordered(set[str]):
    """A set that is gone through in another order, as in another process, where texts have other hashes."""

    seed = 0

    def __iter__(self) -> Iterator[str]:
        return iter(random.Random(self.seed).sample(sorted(super().__iter__()), len(self)))


@pytest.mark.parametrize("number", [3, 512, 700, 3000])
def test_a_sketch_has_the_same_bytes_whatever_came_first(number: int) -> None:
    kind = measures.of(Measure("users", "distinct", {"payment.made": "user"}, "long", (), 0, ()))
    made = set()
    for seed in range(5):
        values = Ordered(map(str, range(number)))
        values.seed = seed
        made.add(kind.cut(values))
    assert len(made) == 1


def test_unbounded_keys_are_bounded_and_nothing_is_lost() -> None:
    one = aggregate(most_keys=3)
    values = {"amount": 10_000, "user": 1, "fraud": False}
    facts = [fact(number, {"merchant": f"m{number % 1000:03}", **values}) for number in range(10_000)]
    facts += [fact(20_000 + number, {"merchant": "big", **values}) for number in range(11)]
    keys = Fold([one], TYPES).parts(facts)["payments"].tiles[START]
    assert list(keys) == [("big",), ("m000",), ("m001",), OTHER]
    assert [shown(states, one)["events"] for states in keys.values()] == [11, 10, 10, 9_980]
    assert sum(shown(states, one)["revenue"] for states in keys.values()) == 10_011


def test_what_is_later_than_the_lateness_is_named_and_not_counted() -> None:
    one = aggregate(lateness=3600)
    row = {"merchant": "a", "amount": 1, "user": None, "fraud": None}
    on_time = fact(1, row, received=START + 3600)
    late = fact(2, row, received=START + 3601)
    part = Fold([one], TYPES).parts([late, on_time, late])["payments"]
    assert shown(part.tiles[START][("a",)], one)["events"] == 1
    assert part.late == {START: [late.id]}


@pytest.mark.parametrize(("offset", "tile"), [(0, 0), (TILE_SECONDS - 1, 0), (TILE_SECONDS, 1), (-1, -1)])
def test_a_tile_is_half_open(offset: int, tile: int) -> None:
    row = {"merchant": "a", "amount": 1, "user": None, "fraud": None}
    part = Fold([aggregate()], TYPES).parts([fact(1, row, START + offset)])["payments"]
    assert list(part.tiles) == [START + tile * TILE_SECONDS]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=8), st.integers(1, 3))
def test_the_latest_value_is_that_of_the_event_time_and_of_the_greater_id_at_one_moment(
    rows: list[tuple[int, int]], parts: int
) -> None:
    one = replace(
        aggregate(keys=()),
        measures=(Measure("level", "latest", {"payment.made": "amount"}, "decimal", (), 0, ()),),
        ranked_by="",
    )
    fold, (kind,) = Fold([one], TYPES), [measures.of(measure) for measure in one.measures]
    facts = [
        fact(
            number,
            {"merchant": None, "amount": amount, "user": None, "fraud": None, "event_id": f"{9 - number}"},
            START + second,
        )
        for number, (second, amount) in enumerate(rows)
    ]
    states = [
        fold.parts(facts[at::parts])["payments"].tiles[START][()][0] for at in range(min(parts, len(rows)))
    ]
    merged = states[0]
    for state in states[1:]:
        merged = kind.merge(merged, kind.read(kind.cut(state)))
    _, _, last = max((second, 9 - number, amount) for number, (second, amount) in enumerate(rows))
    assert kind.shown(merged) == Decimal(last).scaleb(-4)


def test_events_of_a_type_without_the_column_are_not_added() -> None:
    one = replace(
        aggregate(keys=()),
        events=("payment.made", "payment.refused"),
        where=(),
        measures=(
            Measure("events", "count", {}, "", (), 0, ()),
            Measure("revenue", "sum", {"payment.made": "amount"}, "decimal", (), 0, ()),
        ),
    )
    made = [fact(number, {"amount": 10_000}) for number in range(3)]
    refused = [replace(fact(number, {}), event_type="payment.refused") for number in range(7)]
    fold = Fold([one], {**TYPES, "payment.refused": {}})
    states = fold.parts([*made, *refused])["payments"].tiles[START][()]
    assert shown(states, one) == {"events": 10, "revenue": 3}
