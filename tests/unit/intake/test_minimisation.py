"""`additionalProperties: drop`: what a contract does not declare is not stored, said so, and makes no other event."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts import registry, undeclared
from millrace.contracts.registry import Registry
from millrace.eventstore.append import Appender
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item
from millrace.intake.accept import Intake
from tests.support.contracts import contract, event, field
from tests.support.people import EverybodyIsKnown
from tests.unit.intake.test_accept import World, order, statuses

Make = Callable[[str], World]


@pytest.fixture
def world(bundle: Path) -> Make:
    """A world in which `order.created` treats other fields so; each shares the table of the one before."""
    made = World()

    def say(additional: str) -> World:
        made.registry = Registry(registry.load()._folder)
        known = made.registry.majors("order.created")
        assert isinstance(known, dict)
        known[1] = replace(known[1], additional_properties=additional)
        made.registry._newest["order.created"] = known[1]
        made.intake = Intake(
            made.registry, Appender({"table": made.table}), made.kept, made.keys, EverybodyIsKnown()
        )
        return made

    return say


def payload(world: World) -> dict[str, Any]:
    (item,) = world.table.rows.values()
    data: dict[str, Any] = from_item(item, Codec(world.registry.dictionary)).envelope["data"]
    payload: dict[str, Any] = data["payload"]
    return payload


def test_it_is_not_stored_and_the_answer_says_so(world: Make) -> None:
    dropping = world("drop")
    answered = dropping.send(order(payload={"coupon": "X", "extra": {"deep": 1}}))
    assert statuses(answered) == ["accepted"]
    assert answered["results"][0]["dropped"] == ["/data/payload/coupon", "/data/payload/extra"]
    assert {"coupon", "extra"}.isdisjoint(payload(dropping))
    assert "dropped" not in dropping.send(order())["results"][0]


def test_another_delivery_with_other_such_fields_is_the_same_event(world: Make) -> None:
    dropping, sent = world("drop"), order()
    more = {
        **sent,
        "data": {**sent["data"], "payload": {**sent["data"]["payload"], "coupon": "X", "none": None}},
    }
    assert statuses(dropping.send(more)) == ["accepted"]
    answered = dropping.send(sent)
    assert statuses(answered) == ["duplicate"]
    assert dropping.send(more)["results"][0]["dropped"] == ["/data/payload/coupon", "/data/payload/none"]


def test_a_retry_of_what_was_stored_whole_before_is_a_duplicate(world: Make) -> None:
    sent = order(payload={"coupon": "X", "none": None})
    assert statuses(world("allow").send(sent)) == ["accepted"]
    assert statuses(world("drop").send(sent)) == ["duplicate"]
    other = {**sent, "data": {**sent["data"], "payload": {**sent["data"]["payload"], "totalAmount": 1}}}
    assert statuses(world("drop").send(other)) != ["duplicate"]


def test_only_objects_with_declared_fields_lose_any() -> None:
    made = contract(
        field("free", "object"),
        field("buyer", "object", properties=[field("name")]),
        field("items", "array", items={"logicalType": "object", "properties": [field("sku")]}),
        additionalProperties="drop",
    )
    sent = event(
        {
            "free": {"any": 1},
            "buyer": {"name": "A", "age": 5},
            "items": [{"sku": "1", "x": 1}, {"sku": "2", "x": 2}],
        }
    )
    sent["data"]["metadata"] = {"trace": "t"}
    kept, dropped = undeclared.without(sent, made)
    assert kept["data"] == {
        "payload": {"free": {"any": 1}, "buyer": {"name": "A"}, "items": [{"sku": "1"}, {"sku": "2"}]},
        "metadata": {},
    }
    assert undeclared.named(dropped, made) == (
        "/data/payload/buyer/age",
        "/data/payload/items/*/x",
        "/data/metadata/trace",
    )
    assert undeclared.without(kept, made)[0] is kept


def test_an_answer_names_few_and_no_long_names() -> None:
    made = contract(field("note"), additionalProperties="drop")
    sent = event({f"n{number}": 1 for number in range(50)} | {"x" * 5_000: 1})
    names = undeclared.named(undeclared.without(sent, made)[1], made)
    assert len(names) == undeclared.MOST
    (long,) = undeclared.named(undeclared.without(event({"x" * 5_000: 1}), made)[1], made)
    assert long == "/data/payload"
