"""What must be true after any history, whatever was sent, lost, doubled or late."""

import io
import json
import uuid
from collections import Counter, defaultdict
from typing import Any

import pyarrow.parquet as pq

from millrace.aggregates.facts import unpack
from millrace.contracts import registry
from millrace.core import clock, keys
from millrace.core.identity import identity
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item
from tests.support.histories.world import ORGS, Answered, World
from tests.support.people import number

Key = tuple[str, str]
_PASSED = ("accepted", "duplicate")


def check(world: World) -> Counter[str]:
    """Raises AssertionError at the first thing that is not so; the answers, counted."""
    first = _first_writes(world)
    counted = _accounting(world, first)
    _events(world, first)
    _lake(world, first)
    _pointers(world, first)
    _facts(world, first)
    assert world.dead.reasons == []
    return counted


def _first_writes(world: World) -> dict[tuple[str, str, int], Answered]:
    """Of each id of a tenant, the delivery that was accepted, by the life it was accepted in. There is one."""
    first: dict[tuple[str, str, int], Answered] = {}
    unsure: set[tuple[str, str, int]] = set()
    for answer in [*world.answers, *world.replays]:
        key = (answer.sent.org, answer.sent.event_id, answer.life)
        if answer.outcome == "accepted":
            assert key not in first, f"accepted twice: {answer} and {first[key]}"
            first[key] = answer
        elif answer.outcome == "unavailable":
            unsure.add(key)
    # A client whose answer was lost learns from the next one that its event is there.
    for answer in [*world.answers, *world.replays]:
        key = (answer.sent.org, answer.sent.event_id, answer.life)
        if answer.outcome == "duplicate" and key in unsure and key not in first:
            first[key] = answer
    return first


def _accounting(world: World, first: dict[tuple[str, str, int], Answered]) -> Counter[str]:
    """Every delivery has one answer, every refusal is kept, and answers say what the first write makes of them."""
    counted = Counter(answer.outcome for answer in world.answers)
    refused = counted["rejected"] + counted["conflict"]
    assert len(world.quarantine.kept) == refused
    assert counted.total() == len(world.answers)
    living: dict[Key, Answered] = {}
    for (org, event_id, _), answer in sorted(first.items(), key=lambda item: item[0][2]):
        living[(org, event_id)] = answer
    for answer in world.answers:
        if answer.sent.story < 0:
            assert answer.outcome in ("rejected", "unavailable"), answer
        elif answer.outcome == "conflict":
            others = _told(first, answer)
            assert any(other.sent != answer.sent for other in others), f"conflicts with nothing: {answer}"
        elif answer.outcome == "duplicate":
            assert any(other.sent == answer.sent for other in _told(first, answer)), f"of nothing: {answer}"
        elif answer.outcome == "rejected":
            assert answer.codes == ("timestamp_range",), answer
    return counted


def _told(first: dict[tuple[str, str, int], Answered], answer: Answered) -> list[Answered]:
    """What was accepted under the id of an answer, in its life or before."""
    sent = answer.sent
    lives = range(answer.life + 1)
    return [first[key] for life in lives if (key := (sent.org, sent.event_id, life)) in first]


def _events(world: World, first: dict[tuple[str, str, int], Answered]) -> None:
    """Events are the accepted ids whose time is not over, each with the story that was accepted."""
    codec = Codec(registry.load().dictionary)
    stored: dict[Key, Any] = {}
    for key, row in world.stores.tables["Events"].items():
        event = from_item(row, codec)
        assert key == (f"{event.org}#{event.event_id}",)
        assert event.expires_at > clock.epoch(world.now)
        stored[(event.org, event.event_id)] = event
    newest: dict[Key, Answered] = {}
    for (org, event_id, _), answer in sorted(first.items(), key=lambda item: item[0][2]):
        newest[(org, event_id)] = answer
    assert set(stored) <= set(newest), "a row that nobody was told of"
    for key, event in stored.items():
        said = newest[key].sent.body()
        data = {**said["data"], "payload": _stored(key[0], said["data"]["payload"])}
        assert event.envelope["data"] == data, f"{key}: not the first write"
        assert event.envelope["timestamp"] == said["timestamp"]
    for key, answer in newest.items():
        if key not in stored:
            assert answer.life < world.life, f"{key} was accepted and is not there"


def _facts(world: World, first: dict[tuple[str, str, int], Answered]) -> None:
    """Facts, without copies, are every write that was ever accepted; each minute that has some is marked."""
    found: set[tuple[str, bytes, int]] = set()
    minutes, marked = set(), set()
    for (partition, place), row in world.stores.tables["Analytics"].items():
        org, kind, day = partition.split("#")
        if kind == "unfolded":
            marked.add(place)
            continue
        minutes.add(f"{org}#{day}T{place[:5]}")
        found |= {(org, fact.id, fact.received_at) for fact in unpack(row["facts"]["B"])}
    assert marked == minutes
    ids = Counter((org, event_id) for org, event_id, _ in found)
    assert ids == Counter((org, identity(event_id)) for org, event_id, _ in first)


def _lake(world: World, first: dict[tuple[str, str, int], Answered]) -> None:
    """Raw after dedup is every write that was ever accepted, under its tenant; the manifest names the same."""
    raw: dict[tuple[str, str, str], dict[str, Any]] = {}
    by_object: dict[str, set[str]] = {}
    for name, body in world.stores.objects.items():
        if not name.startswith("raw/"):
            continue
        org = name.split("org=")[1].partition("/")[0]
        rows = pq.read_table(
            io.BytesIO(body), columns=["event_id", "org_id", "received_at", "payload", "event_time"]
        ).to_pylist()
        by_object[f"s3://lake/{name}"] = {row["event_id"] for row in rows}
        for row in rows:
            assert row["org_id"] == org, f"{name} holds a row of {row['org_id']}"
            key = (org, row["event_id"], clock.utc_day(row["event_time"]).isoformat())
            if key not in raw or row["received_at"] < raw[key]["received_at"]:
                raw[key] = row
    wanted = {
        (org, event_id, answer.sent.at.date().isoformat()): _stored(
            org, answer.sent.body()["data"]["payload"]
        )
        for (org, event_id, _), answer in first.items()
    }
    assert set(raw) == set(wanted)
    for key, row in raw.items():
        assert json.loads(row["payload"]) == wanted[key], f"{key}: not the first write"
    named: dict[str, set[str]] = defaultdict(set)
    manifest: set[Key] = set()
    for (partition, _), row in world.stores.tables["Metadata"].items():
        org, kind, *_ = partition.split("#")
        if kind == "manifest":
            assert f"org={org}/" in row["object"]["S"]
            packed = row["ids"]["B"]
            ids = {str(uuid.UUID(bytes=packed[at : at + 16])) for at in range(0, len(packed), 16)}
            named[row["object"]["S"]] |= ids
            manifest |= {(org, event_id) for event_id in ids}
    for name, ids in named.items():
        assert by_object[name] == ids
    assert manifest == {(org, event_id) for org, event_id, _ in wanted}


def _pointers(world: World, first: dict[tuple[str, str, int], Answered]) -> None:
    """UserEvents are the accepted events that have a user, each once, under its own tenant's user."""
    pointers = set()
    for owner, place in world.stores.tables["UserEvents"]:
        assert owner.partition("#")[0] in ORGS
        pointers.add((owner, place))
    wanted = set()
    for (org, event_id, _), answer in first.items():
        payload = answer.sent.body()["data"]["payload"]
        user = payload.get("userId") or payload.get("user_id")
        if user is not None:
            wanted.add((f"{org}#{number(org, user)}", keys.sort(answer.sent.at, event_id)))
    assert pointers == wanted


def _stored(org: str, payload: dict[str, Any]) -> dict[str, Any]:
    """A payload with the number of its user."""
    made = dict(payload)
    if "userId" in made:
        made["userId"] = str(number(org, made["userId"]))
    if "user_id" in made:
        made["user_id"] = number(org, made["user_id"])
    return made
