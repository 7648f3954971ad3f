"""Extreme events of a contract: every field at both ends, then at all that is odd, many fields in one event.

An event of turn 0 has the smallest of every field, one of turn 1 the largest; from turn 2 on each field takes the next of
what is odd, each beginning somewhere else, so that over the turns every pair of fields meets in many ways.
"""

import copy
import json
import random
import uuid
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from millrace.compiler import samples
from millrace.contracts import envelope as envelopes
from millrace.contracts.contract import RESERVED_NAMES, Contract
from millrace.contracts.pointers import parse, read
from millrace.contracts.registry import Registry
from millrace.contracts.schema import json_type
from millrace.core import limits
from millrace.fraud.decision import SOURCE_TYPE
from tests.support.contracts import FILES, compiled
from tests.support.extremes import values
from tests.support.extremes.values import Extreme

Event = dict[str, Any]
SMALLEST, LARGEST = 0, 1
# What a client writes beside the declared fields, under one name.
EXTRA = "extra"
KEYS = (
    "",
    "$",
    ".",
    "/",
    "~",
    "#",
    "a.b",
    "A",
    "a",
    "~1",
    "%",
    '"',
    "'",
    "\\",
    "\u0000",
    "\ud7ff",
    "\U0010ffff",
    "e\u0301",
    "é",
    "__proto__",
    "k" * 1000,
)
NUMBERS = (
    1.7976931348623157e308,
    -1.7976931348623157e308,
    5e-324,
    -0.0,
    1e20,
    2**53 + 1,
    2**63 - 1,
    -(2**63),
    0.1,
)
_ENVELOPE = ("eventSource", "correlationId", "sessionId", "environment", "region", "userId")
_EPSILON = timedelta(seconds=1)


@dataclass(slots=True)
class Made:
    """An event, and which extreme stands where."""

    org: str
    contract: Contract
    event: Event
    names: dict[str, str] = field(default_factory=dict)

    def reset(self, pointer: str) -> bool:
        """Takes the extreme at or around a pointer out of the event, for the value of a sample; False where none is."""
        around = [
            at
            for at in self.names
            if pointer == at or pointer.startswith(f"{at}/") or at.startswith(f"{pointer}/")
        ]
        for at in around:
            del self.names[at]
        parts = parse_any(pointer)
        while parts:
            if _put(self.event, parts, read(_golden(self.contract.name), tuple(parts))):
                return True
            parts = parts[:-1]
        return bool(around)


def sender(contract: Contract, org: str) -> str | None:
    """Who sends events of a contract in the place of a tenant; None where only the platform makes them."""
    return contract.tenant if contract.derived else org


def turns(contract: Contract) -> int:
    """After how many turns each field of a contract has taken each of its values."""
    longest = max((len(values.accepted(part)) for part in _scalars(contract.data_schema)), default=2)
    return max(longest, 2)


def extremes(registry: Registry, contract: Contract, turn: int, org: str, now: datetime) -> Made:
    """The event of a turn.

    Args:
        registry: judges it, so that rules between fields hold.
        contract: what it keeps.
        turn: which values its fields take.
        org: the tenant that sends it.
        now: the moment at which it is received.
    """
    made = Made(org, contract, {})
    data = {}
    for name, part in contract.data_schema["properties"].items():
        data[name] = _value(part, turn, f"/data/{name}", made.names, top=True)
    rng = random.Random(f"{contract.name} {turn} {org}")
    identifier = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    made.event = {
        "eventId": identifier.upper() if turn % 3 == 1 else identifier,
        "eventType": contract.event_type,
        "timestamp": moment(contract, turn, now, rng),
        "version": (contract.version, f"{contract.major}.0", str(contract.major))[turn % 3],
        "data": data,
    }
    fields = envelopes.schema({})["properties"]
    for name in _ENVELOPE:
        if turn % 5 != 4:
            made.event[name] = _value(fields[name], turn, f"/{name}", made.names)
    _settle(registry, made)
    return made


def moment(contract: Contract, turn: int, now: datetime, rng: random.Random) -> str:
    """When it happened: at the end of what intake takes, at its beginning, or today, with the widest of offsets."""
    zone = timedelta(hours=23, minutes=59)
    match turn:
        case 0:
            at, sign = now - timedelta(days=contract.retention_days - 1) + _EPSILON, 1
        case 1:
            at, sign = now + limits.AHEAD, -1
        case _:
            midday = now.replace(hour=0, minute=0, second=0, microsecond=0)
            at, sign = midday + (now - midday) * rng.random(), 0
    digits = ("microseconds", "milliseconds", "seconds")[turn % 3]
    if sign == 0:
        return at.replace(tzinfo=None).isoformat(timespec=digits) + "Z"
    local = (at + sign * zone).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{local}{'+' if sign > 0 else '-'}23:59"


def ordinary(contract: Contract, number: int, org: str, now: datetime) -> Made:
    """An event as a shop sends it, the same at each call."""
    golden = samples.golden(_file(contract.name))
    event = copy.deepcopy(golden[number % len(golden)])
    rng = random.Random(f"{contract.name} {number} {org} ordinary")
    event["eventId"] = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    event["timestamp"] = moment(contract, 2 + number, now, rng)
    event.pop("version", None)
    if event.get("eventSource", "").startswith(RESERVED_NAMES):
        # The name of a sample; whoever sends it is called so already.
        del event["eventSource"]
    if contract.user_id_pointer is not None:
        # Each of another user: in which order the log delivers two of one decides what fraud says of either.
        parts = list(parse(contract.user_id_pointer))
        user = read(event, tuple(parts))
        if user is not None:
            _put(event, parts, number if isinstance(user, int) else f"{user}-{number}")
            event.pop("userId", None)
    return Made(org, contract, event)


def crowd(contract: Contract, count: int, org: str, now: datetime) -> Iterator[Made]:
    """Ordinary events of one user, session, flow and entity, with all that else may be one; only moments and ids differ."""
    first = ordinary(contract, 0, org, now)
    moments = [
        list(parse(pointer))
        for pointer, part in _fields(contract.data_schema, "/data")
        if part.get("format") == "date-time" and "*" not in pointer
    ]
    compared = {rule[name] for rule in contract.rules for name in ("later", "earlier") if name in rule}
    for number in range(count):
        made = ordinary(contract, 30_000 + number, org, now)
        made.event["data"] = copy.deepcopy(first.event["data"])
        made.event |= {"correlationId": "one flow", "sessionId": "one session"}
        for parts in moments:
            if "/" + "/".join(parts) not in compared and _at(made.event, parts) is not None:
                at = (now + timedelta(days=number - count // 2)).replace(tzinfo=None)
                _put(made.event, parts, at.isoformat(timespec="milliseconds") + "Z")
        yield made


def crowded(registry: Registry) -> list[Contract]:
    """For each index the contract that has it and most others, so that a list of each is long."""
    by_index: dict[str, Contract] = {}
    for contract in (one for one in registry.contracts if not one.derived):
        for index in contract.indexes:
            kept = by_index.get(index)
            if kept is None or len(contract.indexes) > len(kept.indexes):
                by_index[index] = contract
    judged = [contract for contract in registry.contracts if contract.event_type == SOURCE_TYPE]
    return list({contract.name: contract for contract in [*by_index.values(), *judged]}.values())


def refusals(contract: Contract, org: str, now: datetime) -> Iterator[tuple[Made, str]]:
    """Sound events with one field one step beyond what it takes, and the pointer that intake must name."""
    number = 0
    for pointer, part in _fields(contract.data_schema, "/data"):
        for one in values.refused(part):
            made = ordinary(contract, 10_000 + number, org, now)
            number += 1
            _fill(contract.data_schema, made.event, pointer)
            if _put(made.event, [*parse(pointer.replace("/*", "/0"))], one.value, make=True):
                made.names[pointer] = one.name
                yield made, pointer.replace("/*", "/0")


def _fill(schema: dict[str, Any], event: Event, pointer: str) -> None:
    """Puts an item into each array on the way to a field that has none."""
    fields = dict(_fields(schema, "/data"))
    for end in [end for end in range(len(pointer)) if pointer.startswith("/*", end)]:
        array, place = pointer[:end], [*parse(pointer[:end].replace("/*", "/0"))]
        if not _at(event, place):
            _put(event, place, [_value(fields[f"{array}/*"], 2, array, {})], make=True)


def _at(event: Any, parts: list[str]) -> Any:
    """What stands at a pointer's parts, through arrays too."""
    for part in parts:
        if isinstance(event, list):
            event = event[int(part)] if int(part) < len(event) else None
        else:
            event = event.get(part) if isinstance(event, dict) else None
    return event


def _value(
    schema: dict[str, Any], turn: int, pointer: str, names: dict[str, str], *, top: bool = False
) -> Any:
    kind = json_type(schema)
    if "enum" not in schema:
        if kind == "object":
            return _object(schema, turn, pointer, names, top=top)
        if kind == "array":
            return _array(schema, turn, pointer, names)
    one = _chosen(values.accepted(schema), turn, pointer)
    names[pointer] = one.name
    return one.value


def _chosen(extremes: list[Extreme], turn: int, salt: str) -> Extreme:
    if turn < 2 or len(extremes) <= 2:
        return extremes[turn % len(extremes)]
    return extremes[2 + (turn - 2 + zlib.crc32(salt.encode())) % (len(extremes) - 2)]


def _object(schema: dict[str, Any], turn: int, pointer: str, names: dict[str, str], *, top: bool) -> Any:
    if values.is_free(schema):
        names[pointer] = "free"
        return free(turn, pointer)
    required = schema.get("required", ())
    members = {}
    for number, (name, part) in enumerate(schema["properties"].items()):
        # What need not be there is not, now and then.
        if name in required or (turn + number) % 7 != 6:
            members[name] = _value(part, turn, f"{pointer}/{name}", names)
    if top and turn >= 2 and schema.get("additionalProperties") is not False:
        names[f"{pointer}/{EXTRA}"] = "free"
        members[EXTRA] = free(turn, pointer)
    return members


def _array(schema: dict[str, Any], turn: int, pointer: str, names: dict[str, str]) -> list[Any]:
    least, most = schema.get("minItems", 0), schema.get("maxItems", 1000)
    length = {SMALLEST: least, LARGEST: min(most, 50)}.get(turn, max(least, min(most, turn % 4)))
    items = [
        _value(
            schema.get("items", {"type": "string"}),
            turn if turn < 2 else turn + place,
            f"{pointer}/{place}",
            names,
        )
        for place in range(length)
    ]
    if schema.get("uniqueItems"):
        items = [one for place, one in enumerate(items) if one not in items[:place]]
    names[pointer] = f"{len(items)} items"
    return items


def free(turn: int, salt: str) -> Any:
    """Content of an object without declared properties: odd keys, odd numbers, odd texts."""
    if turn == SMALLEST:
        return {}
    if turn == LARGEST:
        return {key: number for number, key in enumerate(KEYS)}
    place = turn + zlib.crc32(salt.encode())
    key, number = KEYS[place % len(KEYS)], NUMBERS[place % len(NUMBERS)]
    character = list(values.CHARACTERS.values())[place % len(values.CHARACTERS)]
    return {key: [number, {key: character}], f"{key}{key}": {"": character * 20}, "empty": [[], {}, "", None]}


def _settle(registry: Registry, made: Made) -> None:
    """Makes what stands in a rule agree, and takes out what its contract does not take after all."""
    for rule in made.contract.rules:
        _agree(rule, made.event)
    user = made.contract.user_id_pointer
    if user is not None and read(made.event, parse(user)) is not None:
        # Outside it must say the same, so it is left to intake.
        made.event.pop("userId", None)
        made.names.pop("/userId", None)
    validator = registry.validator(made.contract)
    for _ in range(20):
        errors = validator.errors(made.event)
        if not errors:
            break
        for error in errors:
            made.reset(error.pointer)
    while len(written(made.event)) > limits.BYTES_PER_EVENT:
        _shorten(made.event)


def written(value: Any) -> bytes:
    """JSON as a client writes it that knows no width of numbers."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _shorten(event: Event) -> None:
    holder, key = max(
        ((holder, key) for holder, key in _holders(event["data"]) if isinstance(holder[key], list | str)),
        key=lambda at: len(written(at[0][at[1]])),
    )
    holder[key] = holder[key][: len(holder[key]) // 2]


def _holders(value: Any) -> Iterator[tuple[dict[str, Any], str]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield value, name
            yield from _holders(part)


def _agree(rule: Mapping[str, Any], event: Event) -> None:
    match rule["kind"]:
        case "equalsSum":
            total, items = read(event, parse(rule["total"])), read(event, parse(rule["items"]))
            for place, item in enumerate(items or ()):
                *others, last = rule["factors"]
                item[last] = total if place == 0 else 0
                for factor in others if place == 0 else ():
                    item[factor] = 1
        case "notBefore":
            later, earlier = (read(event, parse(rule[name])) for name in ("later", "earlier"))
            if later is not None and earlier is not None and _instant(later) < _instant(earlier):
                _put(event, list(parse(rule["earlier"])), later)
                if rule["later"] != "/timestamp":
                    _put(event, list(parse(rule["later"])), earlier)
        case "requiredIf":
            value = read(event, parse(rule["when"]))
            if value in rule["equals"] and read(event, parse(rule["field"])) is None:
                _put(
                    event,
                    list(parse(rule["field"])),
                    0.5 if rule["field"] != "/sessionId" else "session",
                    make=True,
                )


def _instant(text: str) -> tuple[Decimal, str]:
    at = datetime.fromisoformat(text)
    offset = at.utcoffset() or timedelta()
    days = at.replace(tzinfo=UTC) - datetime(1, 1, 1, tzinfo=UTC)
    return Decimal((days - offset) // timedelta(microseconds=1)), text


def parse_any(pointer: str) -> list[str]:
    """The parts of a pointer of a client's; not remembered, as those of contracts are."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _put(event: Any, parts: list[str], value: Any, *, make: bool = False) -> bool:
    *above, last = parts
    for part in above:
        if isinstance(event, list):
            event = event[int(part)] if part.isdigit() and int(part) < len(event) else None
        elif isinstance(event, dict):
            if make and event.get(part) is None:
                event[part] = {}
            event = event.get(part)
        else:
            return False
    if isinstance(event, list) and last.isdigit() and int(last) < len(event):
        if value is None:
            return False
        event[int(last)] = copy.deepcopy(value)
        return True
    if not isinstance(event, dict) or (last not in event and not make and value is None):
        return False
    if value is None and not make:
        del event[last]
    else:
        event[last] = copy.deepcopy(value)
    return True


def _fields(schema: dict[str, Any], pointer: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, part in schema.get("properties", {}).items():
        yield f"{pointer}/{name}", part
        yield from _fields(part, f"{pointer}/{name}")
    if isinstance(schema.get("items"), dict):
        yield f"{pointer}/*", schema["items"]
        yield from _fields(schema["items"], f"{pointer}/*")


def scalars(contract: Contract) -> Iterator[tuple[str, dict[str, Any]]]:
    """Pointer and schema of every field that holds one value."""
    for pointer, part in _fields(contract.data_schema, "/data"):
        if "enum" in part or json_type(part) not in ("object", "array"):
            yield pointer, part


def _scalars(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for _, part in _fields(schema, ""):
        if "enum" in part or json_type(part) not in ("object", "array"):
            yield part


@cache
def _file(name: str) -> Any:
    return next(path for path in FILES if compiled(path).name == name)


@cache
def _golden(name: str) -> Event:
    sample: Event = samples.golden(_file(name))[0]
    return sample
