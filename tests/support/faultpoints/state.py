"""The state that a day ends in, without what must differ: moments, request ids, and how often it was tried."""

import io
import json
import uuid
from collections import defaultdict
from typing import Any

import pyarrow.parquet as pq

from millrace.contracts import registry
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item
from tests.support.aggregates import tiles
from tests.support.platform import LAKE, Platform
from tests.support.rows import pointed_at

State = dict[str, dict[Any, Any]]
DECISION = "fraud.decision.made"
UNDECIDED = "decided without features"
# What a user had before is read from sets that hold no event ids: a batch that counted and was killed before it
# decided finds its own merchant, device and country there when it comes again. No rule reads these three.
SEEN_BEFORE = ("new_country", "new_device", "new_merchant")


def read_state(running: Platform, *answers: dict[str, str]) -> State:
    """Answers, Events, UserEvents, manifest, raw, bus, quarantine and features, each under keys that stay the same."""
    codec = Codec(registry.load().dictionary)
    stored = [from_item(row, codec) for row in running.rows("Events")]
    labels = {(e.org, e.event_id.lower()): _label(e.envelope) for e in stored}
    raw, objects = _raw(running, labels)
    return {
        "answers": {key: value for some in answers for key, value in some.items()},
        "events": {_label(event.envelope): _without_moments(event.envelope) for event in stored},
        "pointers": {
            (row["userKey"]["S"], row["sortKey"]["S"].split("#")[0], labels[pointed_at(row)]): True
            for row in running.rows("UserEvents")
        },
        "raw": raw,
        "manifest": _manifest(running, objects, labels),
        "bus": {_label(m["detail"]): _without_moments(m["detail"]) for m in running.messages()},
        "quarantine": _quarantine(running),
        "features": {row["featureKey"]["S"]: _sets(row) for row in running.rows("FeatureStore")},
        "tiles": tiles(running),
        "dead letters": dict.fromkeys(running.objects("dead-letters/"), True),
    }


def _label(envelope: dict[str, Any]) -> str:
    """What an event is, by name: a derived one has an id that depends on the tenant's key."""
    platform = envelope["platform"]
    source = platform.get("derivedFrom")
    name = f"{envelope['eventType']} of {source}" if source else envelope["eventId"]
    if envelope["eventType"] == "integration.webhook.received":
        name = "webhook"
    return f"{platform['orgId']} {name}"


def _without_moments(envelope: dict[str, Any]) -> Any:
    """The envelope as JSON; of a decision that was made without the user's sets only that it was."""
    document = json.loads(json.dumps(envelope))
    for name in ("receivedAt", "requestId", "derivedFrom"):
        document["platform"].pop(name, None)
    if document["eventType"] == DECISION:
        payload = document["data"]["payload"]
        if payload.get("fallback"):
            return UNDECIDED
        for name in ("decidedAt", "latencyMs", "stages"):
            payload.pop(name, None)
        for name in SEEN_BEFORE:
            payload["features"].pop(name, None)
        document.pop("eventId")
    return json.dumps(document, sort_keys=True)


def _raw(running: Platform, labels: dict[tuple[str, str], str]) -> tuple[dict[Any, Any], dict[str, set[Any]]]:
    """Raw after dedup (the first that was received wins), and the ids of each object."""
    first: dict[tuple[str, str], dict[str, Any]] = {}
    objects: dict[str, set[Any]] = {}
    for key, body in running.objects("raw/events/").items():
        rows = pq.read_table(io.BytesIO(body)).to_pylist()
        org = key.split("org=")[1].partition("/")[0]
        assert {row["org_id"] for row in rows} == {org}, key
        objects[f"s3://{LAKE}/{key}"] = {row["event_id"].lower() for row in rows}
        for row in rows:
            place = (org, row["event_id"].lower())
            if place not in first or row["received_at"] < first[place]["received_at"]:
                first[place] = row
    return {
        labels.get(place, f"{place[0]} {place[1]}"): (row["event_type"], row["timestamp"], row["contract"])
        for place, row in first.items()
    }, objects


def _manifest(
    running: Platform, objects: dict[str, set[Any]], labels: dict[tuple[str, str], str]
) -> dict[Any, Any]:
    """The ids that manifest rows name; each row's object is there and holds exactly them."""
    named: dict[Any, Any] = {}
    by_object: dict[str, set[str]] = defaultdict(set)
    for row in running.rows("Metadata"):
        org, kind, *_ = row["entityTypeKey"]["S"].split("#")
        if kind != "manifest":
            continue
        packed = bytes(row["ids"]["B"])
        ids = [str(uuid.UUID(bytes=packed[at : at + 16])) for at in range(0, len(packed), 16)]
        by_object[row["object"]["S"]].update(ids)
        named.update({labels.get((org, one), f"{org} {one}"): True for one in ids})
    assert {name: objects.get(name) for name in by_object} == by_object
    return named


def _quarantine(running: Platform) -> dict[Any, Any]:
    statuses: dict[Any, set[str]] = defaultdict(set)
    for row in running.rows("Metadata"):
        org, kind, *_ = row["entityTypeKey"]["S"].split("#")
        if kind == "quarantine":
            codes = ",".join(sorted(error["code"] for error in json.loads(row["errors"]["S"])))
            event_id = row["eventId"]["S"] if "eventId" in row else None
            statuses[(org, event_id, codes)].add(row["status"]["S"])
    return dict(statuses)


def _sets(row: dict[str, Any]) -> Any:
    return {
        name: sorted(bytes(one).hex() for one in value["BS"]) for name, value in row.items() if "BS" in value
    }
