"""Filter patterns pass and refuse records as Lambda's event filtering does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.mappings import (
    InvalidPatternError,
    KinesisStream,
    ManualClock,
    MappingDriver,
    MappingSettings,
)

pytestmark = pytest.mark.unit

ORDER = {
    "type": "order.created",
    "amount": 300,
    "price": 12.5,
    "paid": True,
    "note": None,
    "label": "",
    "tags": ["gift", "express"],
    "customer": {"country": "Germany", "segment": {"tier": "gold"}},
    "lines": [{"sku": "A-1"}, {"sku": "B-2"}],
    "count": {"N": "17"},
}


def passes(data: object, *patterns: dict[str, Any] | str) -> bool:
    clock = ManualClock()
    stream = KinesisStream("events", clock=clock)
    driver = MappingDriver(clock=clock)
    settings = MappingSettings(starting_position="TRIM_HORIZON", filter_criteria=patterns)
    driver.add_mapping("filtered", stream, lambda event, context: None, settings)
    stream.put("user-1", data if isinstance(data, (bytes, str)) else json.dumps(data))
    driver.run_until_idle()
    counted = driver.statistics("filtered")
    assert counted.done + counted.filtered == 1
    assert counted.invocations == counted.done
    return counted.done == 1


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"type": ["order.created"]}, True),
        ({"type": ["order.completed", "order.created"]}, True),
        ({"type": ["order.completed"]}, False),
        ({"type": ["Order.Created"]}, False),
        ({"type": [{"equals-ignore-case": "Order.Created"}]}, True),
        ({"type": ["order.created"], "paid": [True]}, True),
        ({"type": ["order.created"], "paid": [False]}, False),
        ({"paid": [1]}, False),
        ({"note": [None]}, True),
        ({"absent": [None]}, False),
        ({"label": [""]}, True),
        ({"type": [{"prefix": "order."}]}, True),
        ({"type": [{"prefix": "created"}]}, False),
        ({"type": [{"suffix": ".created"}]}, True),
        ({"amount": [{"prefix": "3"}]}, False),
        ({"amount": [{"numeric": ["=", 300.0]}]}, True),
        ({"amount": [{"numeric": [">", 299, "<=", 300]}]}, True),
        ({"amount": [{"numeric": [">", 300]}]}, False),
        ({"amount": [{"numeric": [">=", 300, "<", 300.5]}]}, True),
        ({"price": [{"numeric": ["<", 12.5]}]}, False),
        ({"count": {"N": [{"numeric": ["=", 17]}]}}, False),
        ({"count": {"N": ["17"]}}, True),
        ({"amount": [300]}, True),
        ({"price": [12.5]}, True),
        ({"type": [{"exists": True}]}, True),
        ({"absent": [{"exists": True}]}, False),
        ({"absent": [{"exists": False}]}, True),
        ({"type": [{"exists": False}]}, False),
        ({"note": [{"exists": True}]}, True),
        ({"customer": [{"exists": True}]}, False),
        ({"nowhere": {"deep": [{"exists": False}]}}, True),
        ({"type": [{"anything-but": ["order.completed", "order.deleted"]}]}, True),
        ({"type": [{"anything-but": "order.created"}]}, False),
        ({"type": [{"anything-but": {"prefix": "order."}}]}, False),
        ({"absent": [{"anything-but": "x"}]}, False),
        ({"customer": {"segment": {"tier": ["gold"]}}}, True),
        ({"customer": {"segment": {"tier": ["silver"]}}}, False),
        ({"type": {"inner": ["order.created"]}}, False),
        ({"tags": ["express"]}, True),
        ({"tags": ["plain"]}, False),
        ({"lines": {"sku": ["B-2"]}}, True),
        ({"$or": [{"type": ["x"]}, {"amount": [{"numeric": [">", 5]}]}]}, True),
        ({"$or": [{"type": ["x"]}, {"amount": [{"numeric": ["<", 5]}]}]}, False),
        ({"paid": [False], "$or": [{"type": ["order.created"]}, {"amount": [300]}]}, False),
    ],
)
def test_a_rule_matches_as_in_the_guides_table(pattern: dict[str, Any], expected: bool) -> None:
    assert passes(ORDER, {"data": pattern}) is expected


def test_numbers_are_equal_by_their_text_and_numeric_by_their_value() -> None:
    assert not passes(b'{"amount": 300.0}', '{"data": {"amount": [300]}}')
    assert not passes(b'{"amount": 3.0e2}', '{"data": {"amount": [300]}}')
    assert passes(b'{"amount": 3.0e2}', '{"data": {"amount": [{"numeric": ["=", 300]}]}}')


def test_one_of_several_filters_is_enough() -> None:
    refused = {"data": {"type": ["user.registered"]}}
    assert passes(ORDER, refused, {"data": {"paid": [True]}})
    assert not passes(ORDER, refused, refused)


@pytest.mark.parametrize("data", [b"plain text", b"\xff\xfe", b'{"a": NaN}', b"{"])
def test_data_that_is_no_json_is_dropped_by_a_filter_and_delivered_without_one(data: bytes) -> None:
    assert not passes(data, {"data": {"b": [{"exists": False}]}})
    assert passes(data)


def test_the_first_choice_of_or_at_the_top_filters_data_too() -> None:
    assert passes(ORDER, {"$or": [{"data": {"type": ["x"]}}, {"data": {"paid": [True]}}]})


@pytest.mark.parametrize(
    "pattern",
    [
        "not JSON",
        "[]",
        {},
        {"data": {}},
        {"data": {"type": "order.created"}},
        {"data": {"type": []}},
        {"data": {"type": [["x"]]}},
        {"data": {"type": [{"like": "x"}]}},
        {"data": {"type": [{"prefix": "x", "suffix": "y"}]}},
        {"data": {"type": [{"prefix": 3}]}},
        {"data": {"type": [{"exists": "yes"}]}},
        {"data": {"type": [{"anything-but": []}]}},
        {"data": {"type": [{"numeric": ["!=", 3]}]}},
        {"data": {"type": [{"numeric": [">", "3"]}]}},
        {"data": {"type": [{"numeric": [">"]}]}},
        {"data": {"$or": [{"a": ["x"]}]}},
        {"partitionKey": ["user-1"]},
        {"$or": [{"data": {"a": ["x"]}}, {"eventName": ["INSERT"]}]},
    ],
)
def test_a_pattern_that_aws_refuses_is_refused_when_the_mapping_is_made(pattern: Any) -> None:
    with pytest.raises(InvalidPatternError):
        passes(ORDER, pattern)


def test_a_mapping_takes_five_filters() -> None:
    filters = [{"data": {"type": [f"type-{number}"]}} for number in range(6)]
    assert not passes(ORDER, *filters[:5])
    with pytest.raises(InvalidPatternError, match="6 filters"):
        passes(ORDER, *filters)
