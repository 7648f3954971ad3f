"""P7, the part of the item: 95 of 100 rows of Events take at most 1 KB, DynamoDB's unit of a write."""

from typing import Any

from bench import sent
from bench.figure import Figure
from bench.verdicts import contracts, judged
from millrace.core.table import Item
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import to_item
from millrace.intake.enrich import Origin, enrich
from millrace.intake.protect import Protection
from millrace.intake.validate import Valid
from tests.support.people import EverybodyIsKnown

EVENTS = 2000
# As long as the gateway's ids are.
REQUEST = "JKJaXmPLvHcESHA="


def measure() -> list[Figure]:
    """The 95th percentile of bytes over 1,024, for the mix and for each type."""
    known = contracts()
    codec, protection = Codec(known.dictionary), Protection(EverybodyIsKnown())
    origin = Origin("org_acme", "shop", REQUEST, sent.NOW)
    sizes: dict[str, list[int]] = {}
    for start in range(0, EVENTS, 500):
        for candidate, verdict in judged(sent.body(sent.events(500, start)), known, sent.NOW):
            if not isinstance(verdict, Valid):
                raise TypeError(f"a seeded event is not valid: {verdict}")
            envelope = enrich(candidate.event, verdict.contract, origin, verdict.happened_at)
            named = protection.named(envelope, verdict.contract)
            people = protection.people(origin.org, named.names())
            envelope = protection.stored(envelope, verdict.contract, named, people)
            item = to_item(envelope, verdict.contract, bytes(17), codec)
            sizes.setdefault(verdict.contract.event_type, []).append(size_of(item))
    everything = [size for lengths in sizes.values() for size in lengths]
    return [
        Figure("P7", f"95th percentile row / 1 KB, {EVENTS} seeded events", _p95(everything) / 1024, 1),
        *(
            Figure("P7", f"95th percentile row / 1 KB, {name}", _p95(lengths) / 1024, 1)
            for name, lengths in sorted(sizes.items())
        ),
    ]


def size_of(item: Item) -> int:
    """Bytes that DynamoDB counts for a row: names and values in UTF-8, numbers at two digits a byte and one more."""
    return sum(
        len(name.encode()) + _value(kind, value)
        for name, held in item.items()
        for kind, value in held.items()
    )


def _value(kind: str, value: Any) -> int:
    match kind:
        case "S":
            return len(value.encode())
        case "N":
            return (len(value.lstrip("-").replace(".", "")) + 1) // 2 + 1
        case _:
            return len(value)


def _p95(sizes: list[int]) -> float:
    return sorted(sizes)[int(len(sizes) * 0.95)]
