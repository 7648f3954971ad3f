"""Raw objects of generated events in a folder, as the archive would leave them in the lake, and a plan over them."""

import random
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from millrace.archive import raw
from millrace.compiler import samples
from millrace.contracts.contract import Contract
from millrace.contracts.decimals import is_decimal
from millrace.contracts.schema import json_type
from millrace.core import clock
from millrace.eventstore.row import StoredEvent
from millrace.intake.enrich import Origin, enrich
from millrace.runs.documents import RawObject, TenantDay
from tests.support.contracts import FILES, compiled

BUCKET = "lake"


def event(contract: Contract, org: str, day: str, rng: random.Random, **more: Any) -> StoredEvent:
    """A generated event of the contract that happened on the UTC day; `more` replaces parts of its payload."""
    path = next(path for path in FILES if compiled(path).name == contract.name)
    sample = rng.choice(samples.golden(path))
    data = {
        part: _vary(value, contract.data_schema["properties"].get(part, {}), rng)
        for part, value in sample["data"].items()
    }
    data["payload"] |= more
    happened_at = datetime.fromisoformat(f"{day}T00:00:00Z") + timedelta(
        milliseconds=rng.randrange(86_400_000)
    )
    sent = {
        **{name: value for name, value in sample.items() if name not in ("data", "userId")},
        "eventId": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "timestamp": _written(happened_at, rng),
        "data": data,
    }
    received_at = happened_at + timedelta(milliseconds=rng.randrange(5_000))
    request = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    origin = Origin(org=org, principal="webshop", request_id=request, received_at=received_at)
    envelope = enrich(sent, contract, origin, happened_at)
    return StoredEvent(envelope, rng.randbytes(16), clock.epoch(received_at) + 86_400, "")


def again(stored: StoredEvent, seconds: float, **more: Any) -> StoredEvent:
    """The same event, received so much later; `more` replaces parts of its payload."""
    envelope = stored.envelope
    received_at = clock.parse(envelope["platform"]["receivedAt"]) + timedelta(seconds=seconds)
    platform = {**envelope["platform"], "receivedAt": clock.utc_text(received_at)}
    data = {**envelope["data"], "payload": {**envelope["data"]["payload"], **more}}
    return StoredEvent(
        {**envelope, "data": data, "platform": platform}, stored.fingerprint, stored.expires_at, ""
    )


@dataclass
class RawFiles:
    """A lake in a folder."""

    root: Path
    objects: dict[tuple[str, str], list[RawObject]] = field(default_factory=dict)

    def put(self, org: str, day: str, events: Sequence[StoredEvent], name: str | None = None) -> str:
        """Writes an object of these rows for a tenant's day; its key."""
        held = self.objects.setdefault((org, day), [])
        key = f"{raw.partition(org, 'business-events', day)}/{name or f'shard-{len(held)}'}.parquet"
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw.to_parquet(events))
        held.append(RawObject(key, len(events)))
        return key

    def days(self) -> tuple[TenantDay, ...]:
        """As a plan has them."""
        return tuple(TenantDay(org, day, tuple(objects)) for (org, day), objects in self.objects.items())


def winners(events: Iterable[StoredEvent]) -> dict[tuple[str, str], StoredEvent]:
    """By type and id, the event that silver keeps."""

    def order(stored: StoredEvent) -> tuple[datetime, str, bytes]:
        platform = stored.envelope["platform"]
        return clock.parse(platform["receivedAt"]), platform["requestId"], stored.fingerprint

    kept: dict[tuple[str, str], StoredEvent] = {}
    for stored in sorted(events, key=order):
        kept.setdefault((stored.event_type, stored.event_id), stored)
    return kept


def _vary(value: Any, schema: dict[str, Any], rng: random.Random) -> Any:
    """Another value of the field's type."""
    if value is None or not schema:
        return value
    kind = json_type(schema)
    if kind == "object":
        required, parts = schema.get("required", ()), schema.get("properties", {})
        return {
            name: None
            if name in parts and name not in required and rng.random() < 0.05
            else _vary(part, parts.get(name, {}), rng)
            for name, part in value.items()
            if name in required or rng.random() < 0.9
        }
    if kind == "array":
        return (
            [_vary(rng.choice(value), schema.get("items", {}), rng) for _ in range(rng.randrange(4))]
            if value
            else []
        )
    if kind == "number":
        low, high = schema.get("minimum", -1e6), schema.get("maximum", 1e12)
        if not is_decimal(schema):
            return rng.uniform(low, min(high, 1e6))
        digits = Decimal(rng.randrange(10 ** rng.randrange(1, 16))) / 10_000
        return float(digits)
    if kind == "integer":
        number = rng.randrange(
            max(schema["minimum"], -(10**15)), min(schema["maximum"], 10 ** rng.randrange(1, 16)) + 1
        )
        # JSON has one kind of number: 3.0 is an integer.
        return float(number) if rng.random() < 0.02 else number
    if kind == "boolean":
        return rng.random() < 0.5
    if "enum" in schema:
        return rng.choice([one for one in schema["enum"] if one is not None])
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=rng.randrange(365 * 86_400 * 10**6))
    if schema.get("format") == "date-time":
        return _written(moment, rng)
    if schema.get("format") == "date":
        return moment.date().isoformat()
    return value if rng.random() < 0.5 else f"{value} «{rng.randrange(10**6)}», Ørsted\u3000"


def _written(moment: datetime, rng: random.Random) -> str:
    """A moment as some client writes it: its offset, its digits."""
    minutes = rng.choice((0, 0, 60, 330, -480, 765))
    local = (
        (moment + timedelta(minutes=minutes))
        .replace(tzinfo=None)
        .isoformat(timespec=rng.choice(("milliseconds", "microseconds")))
    )
    sign = "-" if minutes < 0 else "+"
    offset = f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    return local + ("Z" if minutes == 0 and rng.random() < 0.8 else offset)
