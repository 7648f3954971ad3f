"""A contract that refuses personal data in fields that are not protected: which events, what is said, what it costs the others."""

from dataclasses import replace
from pathlib import Path

import pytest

from millrace.contracts import registry
from millrace.contracts.registry import Registry
from millrace.eventstore.append import Appender
from millrace.intake.accept import Intake
from millrace.privacy import search
from tests.support.people import EverybodyIsKnown
from tests.unit.intake.test_accept import World, order, statuses

PHONE = "+351 912 345 678"


@pytest.fixture
def strict(bundle: Path) -> World:
    """`order.created` refuses, all other types only flag."""
    world = World()
    world.registry = Registry(registry.load()._folder)
    known = world.registry.majors("order.created")
    assert isinstance(known, dict)
    known[1] = replace(known[1], personal_data="quarantine")
    world.registry._newest["order.created"] = known[1]
    world.intake = Intake(
        world.registry, Appender({"table": world.table}), world.kept, world.keys, EverybodyIsKnown()
    )
    return world


def test_it_is_refused_where_the_contract_says_so(strict: World) -> None:
    answered = strict.send(order(), order(payload={"note": f"ring {PHONE}"}))
    assert statuses(answered) == ["accepted", "rejected"]
    assert answered["results"][1]["errors"] == [
        {
            "pointer": "/data/payload/note",
            "code": "rule",
            "message": "holds what looks like a phone number, which this type takes in protected fields only",
        }
    ]
    (entry,) = strict.kept.entries
    assert entry.contract is not None


def test_an_answer_never_holds_the_value(strict: World) -> None:
    answered = strict.send(order(payload={"extra": {PHONE: 1, "list": [{"deep": PHONE}]}}))
    assert PHONE not in str(answered)
    pointers = [error["pointer"] for error in answered["results"][0]["errors"]]
    assert pointers == ["/data/payload/extra/*", "/data/payload/extra/list/0/deep"]


def test_what_flags_is_accepted_and_not_searched(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        search.Search, "found", lambda *_: pytest.fail("intake searched a contract that flags")
    )
    assert statuses(world.send(order(payload={"note": PHONE}))) == ["accepted"]


@pytest.fixture
def world(bundle: Path) -> World:
    return World()
