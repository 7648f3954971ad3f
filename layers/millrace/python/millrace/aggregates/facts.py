"""Facts: of each event what aggregates read, packed by batch and minute of receipt. Pure.

A copy of an event, whenever it is delivered, makes the same fact in the same minute, so whoever folds a minute's facts removes
copies by id and comes to the same numbers.
"""

import base64
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
import zstandard

from millrace.aggregates.definition import Aggregate, of_types
from millrace.aggregates.packing import compressed, decompressed
from millrace.contracts.contract import Contract
from millrace.contracts.fields import Read, Value, fields
from millrace.core import clock
from millrace.core.errors import PermanentError
from millrace.core.identity import BYTES, identity
from millrace.eventstore.row import StoredEvent

_MINUTE = len("2026-11-21T05:54")
# A fact of the longest texts that an event may have is far below this; DynamoDB takes 400 KB an item.
MOST_BYTES = 300_000


@dataclass(frozen=True, slots=True)
class Fact:
    """What aggregates read of one event.

    Attributes:
        id: 16 bytes, the identity of the event's id.
        event_type: its type.
        happened_at: microseconds since 1970.
        received_at: milliseconds since 1970.
        values: by the columns that aggregates read of its type.
    """

    id: bytes
    event_type: str
    happened_at: int
    received_at: int
    values: Mapping[str, Value | None]


class Facts:
    """Makes the facts of stored events."""

    def __init__(self, aggregates: Sequence[Aggregate], contract_of: Callable[[str], Contract]) -> None:
        """`contract_of` gives the contract of a reference as events carry it (`order.created/1.2.0`)."""
        self._columns = {
            event_type: tuple(sorted(frozenset().union(*(one.columns(event_type) for one in several))))
            for event_type, several in of_types([one for one in aggregates if not one.of_log]).items()
        }
        self._readers = cache(lambda ref, event_type: self._readers_of(contract_of(ref), event_type))

    @property
    def event_types(self) -> Collection[str]:
        """The types that some aggregate counts."""
        return self._columns.keys()

    def of(self, event: StoredEvent) -> Fact:
        """The fact of an event of one of these types."""
        envelope, event_type = event.envelope, event.event_type
        platform = envelope["platform"]
        return Fact(
            id=identity(event.event_id),
            event_type=event_type,
            happened_at=clock.epoch_micros(event.happened_at),
            received_at=clock.epoch_millis(clock.parse(platform["receivedAt"])),
            values={name: read(envelope) for name, read in self._readers(platform["contract"], event_type)},
        )

    def _readers_of(self, contract: Contract, event_type: str) -> list[tuple[str, Read]]:
        """How each column is read; one that an older major has not is absent."""
        known = fields(contract)
        return [
            (name, known[name].read if name in known else lambda _: None)
            for name in self._columns[event_type]
        ]


def minute(received_at: str) -> str:
    """The minute of receipt, `2026-11-21T05:54`, of `platform.receivedAt`."""
    return received_at[:_MINUTE]


def pack(facts: Iterable[Fact]) -> bytes:
    """Facts by type and column, compressed: some 40 bytes each in a full batch."""
    by_type: dict[str, list[Fact]] = {}
    for fact in facts:
        by_type.setdefault(fact.event_type, []).append(fact)
    tables = [
        {
            "type": event_type,
            "ids": base64.b64encode(b"".join(fact.id for fact in several)).decode(),
            "happened": [fact.happened_at for fact in several],
            "received": [fact.received_at for fact in several],
            "columns": {name: [fact.values[name] for fact in several] for name in several[0].values},
        }
        for event_type, several in sorted(by_type.items())
    ]
    return compressed(orjson.dumps(tables))


def holds(packed: bytes, wanted: bytes) -> bool:
    """Whether the fact of an id (16 bytes) is among them.

    Raises:
        PermanentError: it is nothing that `pack` packed.
    """
    several = (base64.b64decode(table["ids"]) for table in _tables(packed))
    return any(wanted in (ids[at : at + BYTES] for at in range(0, len(ids), BYTES)) for ids in several)


def unpack(packed: bytes) -> Iterator[Fact]:
    """What `pack` packed.

    Raises:
        PermanentError: it is nothing that `pack` packed.
    """
    for table in _tables(packed):
        ids, names = base64.b64decode(table["ids"]), tuple(table["columns"])
        rows = zip(*table["columns"].values(), strict=True) if names else iter(())
        for at, (happened_at, received_at) in enumerate(
            zip(table["happened"], table["received"], strict=True)
        ):
            yield Fact(
                id=ids[at * BYTES : (at + 1) * BYTES],
                event_type=table["type"],
                happened_at=happened_at,
                received_at=received_at,
                values=dict(zip(names, next(rows, ()), strict=True)),
            )


def _tables(packed: bytes) -> list[dict[str, Any]]:
    try:
        tables: list[dict[str, Any]] = orjson.loads(decompressed(packed, MOST_BYTES * 100))
    except (zstandard.ZstdError, orjson.JSONDecodeError) as error:
        raise PermanentError(f"no facts: {error}") from error
    return tables
