"""Every place that an accepted event belongs to, by its contract; and what stands there, held against what was sent."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import orjson

from millrace.aggregates.facts import Fact, unpack
from millrace.archive.raw import SCHEMA
from millrace.contracts import columns, derived
from millrace.contracts.columns import Array, Column, Scalar, Struct, Type, snake
from millrace.contracts.contract import Contract
from millrace.contracts.pointers import parse, read
from millrace.contracts.registry import Registry
from millrace.core import clock, keys
from millrace.core.consumer import decode
from millrace.core.identity import as_text
from millrace.core.prefixes import DEAD_LETTERS
from millrace.eventstore import consumers, receipts
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item
from millrace.fraud.decision import EVENT_TYPE, SOURCE_TYPE
from millrace.privacy import identities
from millrace.privacy import places as protected
from millrace.privacy.tokens import SEALED, is_token
from tests.support.extremes import snapshot
from tests.support.extremes.events import Event, Made, written
from tests.support.extremes.world import World
from tests.support.people import number
from tests.support.rows import pointed_at

Key = tuple[str, str]
# Places of the log's own: every accepted event is there, whatever its contract says.
_TOKEN = "a token"
RAW, MANIFEST = "raw", "manifest"
# Consumer → the places that it fills, which a dead letter of it stands for.
_FILLED_BY = {
    consumers.ARCHIVE.name: (RAW, MANIFEST, "silver"),
    consumers.ROUTER.name: ("bus", "routed"),
    consumers.PROJECTION.name: ("UserEvents",),
    consumers.SCORER.name: ("decision",),
    consumers.COUNTER.name: ("facts",),
    consumers.ALERT_TRACKER.name: (),
    consumers.PATTERN_DETECTOR.name: (),
    consumers.SIGMA_DETECTOR.name: (),
}


@dataclass
class Found:
    """What every place has of every event, by tenant and id."""

    places: dict[str, dict[Key, list[Any]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    # Every row of the lake, by table.
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    # Place → why not.
    dead: dict[tuple[str, Key], list[str]] = field(default_factory=lambda: defaultdict(list))

    def note(self, place: str, org: str, identifier: str, what: Any) -> None:
        """Something of an event."""
        self.places[place][org, identifier.lower()].append(what)

    def has(self, place: str, key: Key) -> list[Any]:
        """What a place has of an event."""
        return self.places[place].get(key, [])


def read_all(world: World, registry: Registry) -> Found:
    """Reads every store once."""
    stores, codec = Found(), Codec(registry.dictionary)
    for item in world.rows("Events"):
        event = from_item(item, codec)
        stores.note("Events", event.org, event.event_id, (event.envelope, item))
        source = event.envelope["platform"].get("derivedFrom")
        if event.event_type == EVENT_TYPE and source is not None:
            stores.note("decision", event.org, source, event.envelope)
    for item in world.rows("UserEvents"):
        stores.note("UserEvents", *pointed_at(item), item)
    for row in snapshot.raw(world):
        stores.note(RAW, row["org_id"], row["event_id"], row)
    for name, row in snapshot.tables(world):
        stores.tables[name].append(row)
        if name.startswith("silver."):
            stores.note("silver", row["org_id"], row["event_id"], (name, row))
    for item in world.rows("Metadata"):
        org, kind, *_ = item["entityTypeKey"]["S"].split(keys.SEPARATOR)
        if kind in (receipts.MANIFEST, receipts.ROUTED):
            packed = bytes(item["ids"]["B"]).hex()
            for at in range(0, len(packed), 32):
                one = packed[at : at + 32]
                identifier = f"{one[:8]}-{one[8:12]}-{one[12:16]}-{one[16:20]}-{one[20:]}"
                stores.note(MANIFEST if kind == receipts.MANIFEST else "routed", org, identifier, item)
    for org, fact in _facts(world):
        stores.note("facts", org, as_text(fact.id), fact)
    for message in world.published():
        detail = message["detail"]
        stores.note("bus", detail["platform"]["orgId"], detail["eventId"], detail)
    _read_dead(world, stores)
    return stores


def _facts(world: World) -> Iterator[tuple[str, Fact]]:
    for item in world.rows("Analytics"):
        if "facts" in item:
            org = item["metricKey"]["S"].partition(keys.SEPARATOR)[0]
            yield from ((org, fact) for fact in unpack(bytes(item["facts"]["B"])))


def _read_dead(world: World, stores: Found) -> None:
    for key, body in world.objects(DEAD_LETTERS).items():
        consumer = key.removeprefix(DEAD_LETTERS).partition("/")[0]
        if key.endswith(".ndjson"):
            for line in body.splitlines():
                row = orjson.loads(line)
                stores.dead["silver", (row["org_id"], row["event_id"].lower())].append(row["reason"])
            continue
        letter = orjson.loads(body)
        delivery = decode(letter["record"])
        assert delivery is not None, key
        org, _, identifier = delivery.item["eventId"]["S"].rpartition(keys.SEPARATOR)
        for place in _FILLED_BY.get(consumer, (consumer,)):
            stores.dead[place, (org, identifier)].append(letter["reason"])


def check(stores: Found, accepted: Sequence[Made]) -> Iterator[str]:
    """In a sentence each, where an accepted event is not, is twice, or is not what was sent."""
    for made in accepted:
        key = (made.org, made.event["eventId"].lower())
        who = f"{made.contract.name} {made.event['eventId']} of {made.org} ({_described(made)})"
        belongs = set(wanted(made))
        for place in sorted(belongs):
            held, dead = stores.has(place, key), stores.dead.get((place, key), [])
            if not held and not dead:
                yield f"{who} is not in {place}"
            elif held and dead:
                yield f"{who} is in {place} and a dead letter too: {dead[0]}"
            elif dead and (len(set(dead)) > 1 or not dead[0]):
                yield f"{who} has {len(dead)} dead letters of {place}: {dead}"
        for place in {"Events", "facts", "UserEvents", "bus", "routed", "decision"} - belongs:
            if stores.has(place, key):
                yield f"{who} is in {place} and does not belong there"
        for sentence in _differences(stores, made, key):
            yield f"{who}: {sentence}"


def _described(made: Made) -> str:
    return ", ".join(f"{pointer}: {name}" for pointer, name in list(made.names.items())[:6])


def wanted(made: Made) -> Iterator[str]:
    """The places that an event belongs to, by its contract."""
    contract = made.contract
    yield from (RAW, MANIFEST, "silver")
    if contract.store == "table":
        # An aggregate counts every type of the table.
        yield from ("Events", "facts")
        if user(made) or made.event.get("sessionId"):
            yield "UserEvents"
    if contract.route:
        yield from ("bus", "routed")
    if contract.event_type == SOURCE_TYPE:
        yield "decision"


def user(made: Made) -> str | None:
    """Whose event it is."""
    if made.event.get("userId") is not None:
        return str(made.event["userId"])
    pointer = made.contract.user_id_pointer
    inside = read(made.event, parse(pointer)) if pointer is not None else None
    return (
        None
        if inside is None or inside == ""
        else str(int(inside))
        if isinstance(inside, float)
        else str(inside)
    )


def _present(event: dict[str, Any], contract: Contract) -> dict[str, Any]:
    """What an event says: a null of a field that may be absent stands for its absence."""

    def of(value: Any, schema: dict[str, Any]) -> Any:
        if isinstance(value, list):
            return [of(item, schema.get("items", {})) for item in value]
        if not isinstance(value, dict):
            return value
        fields = schema.get("properties", {})
        return {k: of(v, fields.get(k, {})) for k, v in value.items() if v is not None or k not in fields}

    envelope = {name: value for name, value in event.items() if value is not None}
    return {**envelope, "data": of(event["data"], contract.data_schema)}


def stored(event: Event, contract: Contract, org: str) -> Event:
    """The event of who has agreed to nothing, as stores have it: users are numbers, what is protected is not there, and each token
    is any token."""
    named: Event = identities.of(contract).rewritten(event, lambda user: str(number(org, user)))
    kept: Event = protected.of(contract).rewritten(
        named, lambda _, kind, value: SEALED if kind == "restricted" else _TOKEN
    )
    for pointer in (one for rule in contract.consent for one in rule["fields"]):
        kept = _without(kept, parse(pointer))
    return kept


def _without(value: Any, parts: tuple[str, ...]) -> Any:
    name, *rest = parts
    if not isinstance(value, dict) or name not in value:
        return value
    if not rest:
        return {key: inner for key, inner in value.items() if key != name}
    return {**value, name: _without(value[name], tuple(rest))}


def _differences(stores: Found, made: Made, key: Key) -> Iterator[str]:
    sent = stored(_present(json.loads(written(made.event)), made.contract), made.contract, made.org)
    for envelope, item in stores.has("Events", key):
        yield from _envelope("Events", sent, envelope)
        for index, name in (
            ("typeKey", "type"),
            ("userKey", "user"),
            ("correlationKey", "correlation"),
            ("entityKey", "entity"),
        ):
            if index in item and name not in made.contract.indexes:
                yield f"has {index}, for which nobody asks"
    for envelope in stores.has("bus", key):
        yield from _envelope("the bus", sent, envelope)
    kept = {repr(same(json.loads(row["payload"]))) for row in stores.has(RAW, key)}
    if kept and kept != {repr(same(sent["data"]["payload"]))}:
        yield f"raw holds another payload: {sorted(kept)[0][:300]}"
    rows = stores.has("silver", key)
    if len(rows) > 1:
        yield f"{len(rows)} rows of silver"
    for name, row in rows:
        if name != f"silver.{columns.table(made.contract)}":
            yield f"is in {name}"
        yield from _row(made, row)
    decisions = {envelope["eventId"] for envelope in stores.has("decision", key)}
    if len(decisions) > 1:
        yield f"{len(decisions)} decisions"
    for envelope in stores.has("decision", key):
        fallback = envelope["data"]["payload"]["fallback"]
        if fallback is not None:
            yield f"decided without {fallback}"


def _envelope(place: str, sent: Event, kept: Mapping[str, Any]) -> Iterator[str]:
    for name, value in sent.items():
        if name == "data" or value is None:
            continue
        if kept.get(name) != value:
            yield f"{place} holds {name} {kept.get(name)!r} instead of {value!r}"
    for part, value in sent["data"].items():
        wanted, there = value, kept["data"].get(part)
        if isinstance(value, dict) and isinstance(there, dict):
            # What is null or absent, intake may fill from the request.
            wanted = {name: one for name, one in value.items() if one is not None}
            there = {name: one for name, one in there.items() if name in wanted}
        if value is not None and repr(same(there)) != repr(same(wanted)):
            yield f"{place} holds another {part}: {str(there)[:300]} instead of {str(value)[:300]}"


def same(value: Any) -> Any:
    """A JSON value as its parts in order, numbers by their value (1.0 is 1, and -0.0 is 0), and each token as any token."""
    if isinstance(value, dict):
        return sorted((name, same(part)) for name, part in value.items())
    if isinstance(value, list):
        return [same(part) for part in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Fraction(value)
    return _TOKEN if is_token(value) else value


def _row(made: Made, row: Mapping[str, Any]) -> Iterator[str]:
    wanted = expected_row(made)
    kinds = {column.name: column for column in columns.columns(made.contract)}
    for name, value in wanted.items():
        there = _TOKEN if is_token(row[name]) else _comparable(kinds[name], row[name])
        if there != value and repr(there) != repr(value):
            yield f"silver has {name} {row[name]!r:.200} instead of {value!r:.200}"


def expected_row(made: Made) -> dict[str, Any]:
    """The row of silver by a reading of the contract of our own; what intake adds of itself is not in it."""
    contract, sent = made.contract, stored(json.loads(written(made.event)), made.contract, made.org)
    rules = {rule["column"]: rule for rule in contract.silver}
    row: dict[str, Any] = {"org_id": made.org}
    for column in columns.columns(contract):
        value = None if column.pointer is None else read(sent, parse(column.pointer))
        if column.name in rules:
            rule = rules[column.name]
            row[column.name] = derived.value(rule, read(sent, parse(rule["of"])))
        elif column.name == "user_key":
            who = user(made)
            row[column.name] = None if who is None else str(number(made.org, who))
        elif value is None and (
            column.pointer in contract.enrich.values() or column.pointer == "/eventSource"
        ):
            continue
        elif column.pointer is not None:
            row[column.name] = _typed(column.type, column.schema, value)
    return row


def _comparable(column: Column, value: Any) -> Any:
    """Free objects are JSON in silver: by their value."""
    if (
        column.type == Scalar("string")
        and isinstance(value, str)
        and "object" in column.schema.get("type", ())
    ):
        return same(json.loads(value))
    return value


def _typed(of: Type, schema: Mapping[str, Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(of, Array):
        return [_typed(of.item, schema.get("items", {}), one) for one in value]
    if isinstance(of, Struct):
        parts = {snake(name): (value.get(name), part) for name, part in schema["properties"].items()}
        return {name: _typed(kind, parts[name][1], parts[name][0]) for name, kind, _ in of.fields}
    match of.name:
        case "int" | "long":
            return int(value)
        case "decimal":
            return Decimal(repr(value)).quantize(Decimal("0.0001"))
        case "double":
            return float(value)
        case "date":
            return date.fromisoformat(value)
        case "timestamptz":
            return _moment(value)
    return same(value) if isinstance(value, dict) else value


def _moment(value: str) -> Any:
    try:
        return clock.parse(value)
    except ValueError:
        # In UTC there is no such moment: whatever stands there, it is not what was sent.
        return value


__all__ = ["SCHEMA", "Found", "check", "read_all", "same", "stored", "user"]
