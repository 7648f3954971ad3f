"""What every call of the API says of what was sent: get, lists by each index, trace, decision, quarantine, datasets."""

import json
import random
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from millrace.contracts.pointers import as_text, parse, read
from millrace.fraud.decision import SOURCE_TYPE
from tests.support.extremes.events import Made
from tests.support.extremes.places import Found, Key, same, stored, user
from tests.support.extremes.world import World

# Index → the parameter that asks it; one that no call asks has none.
_PARAMETERS = {"type": "eventType", "user": "userId", "correlation": "correlationId", "session": "sessionId", "entity": "entity"}  # fmt: skip
_PAGE = "100"


def check(
    world: World,
    stores: Found,
    accepted: Sequence[Made],
    refused: Sequence[tuple[Made, dict[str, Any]]],
    rng: random.Random,
    sample: int,
) -> Iterator[str]:
    """In a sentence each, what a call does not answer as it should.

    Args:
        world: whose API is called.
        stores: what the stores hold.
        accepted: events that were accepted.
        refused: those that were not, with their answers.
        rng: chooses.
        sample: with how many events at most each call is checked.
    """
    stored = [made for made in accepted if made.contract.store == "table"]
    chosen = _spread(stored, rng, sample)
    for made in chosen:
        for sentence in _of_event(world, stores, made):
            yield f"{made.contract.name} {made.event['eventId']} of {made.org}: {sentence}"
    for name, parameter in _PARAMETERS.items():
        listed = {
            at: one
            for one in stored
            if name in one.contract.indexes and (at := _value(one, name)) is not None
        }
        keys = [*listed] if len(listed) <= sample else rng.sample([*listed], sample)
        wanted: dict[tuple[str, str], set[str]] = {}
        for made in stored:
            at = _value(made, name) if name in made.contract.indexes else None
            if at is not None:
                wanted.setdefault((made.org, at[1]), set()).add(made.event["eventId"].lower())
        for org, value in keys:
            yield from _listed(world, org, parameter, value, wanted[org, value])
    yield from _quarantine(world, refused, rng, sample)
    for org in sorted({made.org for made in accepted}):
        yield from _datasets(world, org)


def _spread(stored: Sequence[Made], rng: random.Random, sample: int) -> list[Made]:
    """Some of every contract."""
    by_contract: dict[str, list[Made]] = {}
    for made in stored:
        by_contract.setdefault(made.contract.name, []).append(made)
    each = max(1, sample // max(1, len(by_contract)))
    return [
        one
        for some in by_contract.values()
        for one in (some if len(some) <= each else rng.sample(some, each))
    ]


def _value(made: Made, index: str) -> tuple[str, str] | None:
    """The tenant and the key with which an index finds an event."""
    event = made.event
    match index:
        case "type":
            found: str | None = made.contract.event_type
        case "user":
            found = user(made)
        case "entity":
            values = (
                (name, as_text(read(event, parse(pointer)))) for name, pointer in made.contract.entity.items()
            )
            found = next((f"{name}:{value}" for name, value in values if value is not None), None)
        case _:
            found = event.get(f"{index}Id")
    return (made.org, found) if found else None


def _is_shown(made: Made, kept: Any, answered: Any) -> bool:
    """Whether an answer is the stored event, with what was sent in the places of what is protected."""
    event = json.loads(json.dumps(kept))
    event["platform"].pop("sealed", None)
    return bool(same(stored(answered, made.contract, made.org)) == same(event))


def _of_event(world: World, stores: Found, made: Made) -> Iterator[str]:
    identifier = made.event["eventId"]
    key: Key = (made.org, identifier.lower())
    kept = stores.has("Events", key)
    answer = world.get("/v1/events/{eventId}", org=made.org, eventId=identifier)
    if answer["status"] != HTTPStatus.OK or not kept or not _is_shown(made, kept[0][0], answer["body"]):
        yield f"get answers {answer['status']} {str(answer['body'])[:300]}"
    traced = world.get("/v1/events/{eventId}/trace", org=made.org, eventId=identifier)
    steps = {step["step"] for step in traced["body"].get("steps", ())}
    if traced["body"].get("status") != "complete" or ("in_silver" in steps) != bool(
        stores.has("silver", key)
    ):
        yield f"its trace is {traced['status']} {traced['body'].get('status')} with {sorted(steps)}"
    if made.contract.event_type == SOURCE_TYPE:
        name = made.event["data"]["payload"]["transaction_id"]
        decided = world.get("/v1/fraud/decisions/{transactionId}", org=made.org, transactionId=name)
        if decided["status"] != HTTPStatus.OK or decided["body"]["transactionId"] != name:
            yield f"its decision is {decided['status']} {str(decided['body'])[:300]}"


def _listed(world: World, org: str, parameter: str, value: str, wanted: set[str]) -> Iterator[str]:
    query, seen = {parameter: value, "limit": _PAGE}, []
    while True:
        answer = world.get("/v1/events", org=org, query=query)
        if answer["status"] != HTTPStatus.OK:
            yield f"the list of {org} by {parameter} {value!r} is {answer['status']} {str(answer['body'])[:300]}"
            return
        seen += answer["body"]["items"]
        if answer["body"]["cursor"] is None:
            break
        query = {**query, "cursor": answer["body"]["cursor"]}
    ids = [item["eventId"].lower() for item in seen]
    if lost := wanted - set(ids):
        yield f"the list of {org} by {parameter} {value!r} lacks {len(lost)} of {len(wanted)}, such as {min(lost)}"
    if len(ids) != len(set(ids)):
        yield f"the list of {org} by {parameter} {value!r} has {len(ids) - len(set(ids))} twice"
    if strange := [item["eventId"] for item in seen if item["platform"]["orgId"] != org]:
        yield f"the list of {org} by {parameter} {value!r} has {strange[0]} of another tenant"


def _quarantine(
    world: World, refused: Sequence[tuple[Made, dict[str, Any]]], rng: random.Random, sample: int
) -> Iterator[str]:
    for org in sorted({made.org for made, _ in refused}):
        mine = {result["quarantineId"]: (made, result) for made, result in refused if made.org == org}
        listed, query = [], {"limit": _PAGE}
        while True:
            answer = world.get("/v1/quarantine", org=org, query=query)
            if answer["status"] != HTTPStatus.OK:
                yield f"the quarantine of {org} is {answer['status']} {str(answer['body'])[:300]}"
                return
            listed += answer["body"]["items"]
            if answer["body"]["cursor"] is None:
                break
            query = {**query, "cursor": answer["body"]["cursor"]}
        ids = [item["quarantineId"] for item in listed]
        if set(ids) != set(mine) or len(ids) != len(mine):
            yield f"the quarantine of {org} lists {len(ids)} of {len(mine)}"
        for name in rng.sample([*mine], min(sample, len(mine))):
            _, result = mine[name]
            one = world.get("/v1/quarantine/{id}", org=org, id=name)
            if one["status"] != HTTPStatus.OK or one["body"]["errors"] != result["errors"]:
                yield f"what is quarantined as {name} is {one['status']} {str(one['body'])[:300]}"
        yield from _replayed(world, org, len(mine))


def _replayed(world: World, org: str, count: int) -> Iterator[str]:
    """Nothing of it passes as it is; all of it is set aside in the end."""
    closed = 0
    wanted = {"filter": {"from": "2000-01-01T00:00:00Z"}}
    answer = world.call("/v1/quarantine/replay", {**wanted, "dryRun": True}, org=org)
    if answer["status"] != HTTPStatus.OK or answer["body"].get("wouldPass"):
        yield f"trying the quarantine of {org} answers {answer['status']} {str(answer['body'])[:300]}"
        return
    if not answer["body"]["matched"]:
        yield f"trying the quarantine of {org} finds nothing of {count}"
    while True:
        answer = world.call("/v1/quarantine/discard", wanted, org=org)
        if answer["status"] != HTTPStatus.OK:
            yield f"discarding the quarantine of {org} answers {answer['status']} {str(answer['body'])[:300]}"
            return
        closed += answer["body"]["discarded"]
        if not answer["body"]["more"]:
            break
    if closed != count:
        yield f"of the quarantine of {org} {closed} of {count} were discarded"


def _datasets(world: World, org: str) -> Iterator[str]:
    listed = world.get("/v1/datasets", org=org)
    if listed["status"] != HTTPStatus.OK:
        yield f"the datasets of {org} are {listed['status']} {str(listed['body'])[:300]}"
        return
    for item in listed["body"]["items"]:
        for route in ("/v1/datasets/{name}", "/v1/datasets/{name}/lineage"):
            answer = world.get(route, org=org, name=item["name"])
            if answer["status"] != HTTPStatus.OK:
                yield f"{route} of {item['name']} for {org} is {answer['status']}"
