"""The generator of extremes: it comes to both ends of every field, and what it checks can fail."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts import columns
from millrace.contracts.registry import Registry
from tests.support.extremes import edges, events, places, snapshot, values
from tests.support.extremes.events import Made

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
ORG = "org_acme"


@pytest.fixture(scope="module")
def registry(bundle: Path) -> Registry:
    return Registry(bundle)


def test_both_ends_of_every_field_come_up(registry: Registry) -> None:
    for contract in registry.contracts:
        ends = [events.extremes(registry, contract, turn, ORG, NOW) for turn in range(7)]
        for pointer, schema in events.scalars(contract):
            if "*" in pointer:
                continue
            seen = [made.names[pointer] for made in ends if pointer in made.names]
            smallest, largest, *_ = [one.name for one in values.accepted(schema)] * 2
            assert {smallest, largest} & set(seen), f"{pointer} of {contract.name}: {seen}"


def test_what_lies_one_step_beyond_is_refused_by_name(registry: Registry) -> None:
    judge = edges.Judge(registry, NOW)
    for contract in registry.contracts:
        org = events.sender(contract, ORG)
        if org is None:
            continue
        result = list(events.refusals(contract, org, NOW))
        assert result
        for made, pointer in result:
            errors = judge.errors(made)
            assert pointer in {error.pointer for error in errors}, (contract.name, made.names, errors)


def test_the_largest_free_objects_are_at_an_edge(registry: Registry) -> None:
    judge, contract = edges.Judge(registry, NOW), registry.find("system.health.check")
    found = list(edges.largest(judge, contract, ORG, NOW))
    assert len(found) == len(edges.SHAPES)
    for most, beyond in found:
        assert judge.errors(most) == [], most.names
        (error,) = judge.errors(beyond)
        assert error.code, beyond.names


def everywhere(made: Made) -> places.Found:
    """As if the platform had done all that it should."""
    found, event = places.Found(), places.stored(made.event, made.contract, made.org)
    for place in sorted(places.wanted(made)):
        what: Any = {"data": event["data"]}
        if place == "raw":
            what = {"payload": events.written(event["data"]["payload"]).decode()}
        elif place == "silver":
            what = (f"silver.{columns.table(made.contract)}", places.expected_row(made))
        elif place in ("Events", "bus"):
            what = {**event, **what} if place == "bus" else ({**event, **what}, {})
        elif place == "decision":
            what = {"eventId": "d", "data": {"payload": {"fallback": None}}}
        found.note(place, made.org, event["eventId"], what)
    return found


def made(registry: Registry) -> Made:
    return events.ordinary(registry.find("transaction.created"), 0, ORG, NOW)


def test_what_is_everywhere_is_no_complaint(registry: Registry) -> None:
    one = made(registry)
    assert list(places.check(everywhere(one), [one])) == []


@pytest.mark.parametrize(
    "place", ["Events", "facts", "UserEvents", "raw", "manifest", "bus", "routed", "silver", "decision"]
)
def test_what_is_missing_somewhere_is_found(registry: Registry, place: str) -> None:
    one = made(registry)
    found = everywhere(one)
    found.places[place].clear()
    (sentence,) = places.check(found, [one])
    assert sentence.endswith(f"is not in {place}")


def test_what_is_another_value_is_found(registry: Registry) -> None:
    one = made(registry)
    found = everywhere(one)
    ((_, row),) = found.places["silver"][ORG, one.event["eventId"].lower()]
    row["amount"] += 1
    (sentence,) = places.check(found, [one])
    assert "silver has amount" in sentence


def test_a_dead_letter_and_a_row_are_one_too_many(registry: Registry) -> None:
    one = made(registry)
    found = everywhere(one)
    found.dead["silver", (ORG, one.event["eventId"].lower())].append("amount: no decimal")
    (sentence,) = places.check(found, [one])
    assert "a dead letter too" in sentence


def test_two_runs_that_differ_are_told_apart() -> None:
    assert list(snapshot.different({"a raw": ["1", "2"]}, {"a raw": ["1", "2"]})) == []
    (sentence,) = snapshot.different({"a raw": ["1", "2"]}, {"a raw": ["1"]})
    assert sentence.startswith("a raw: 1 less")
