"""How far a source of changes is: one row of its tenant in Metadata, with the lease of the one who reads its slot."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from millrace.cdc.changes import START, Position
from millrace.core import clock, keys
from millrace.core.errors import RetryableError
from millrace.core.table import Table

KIND = "cdc"
NEW, SNAPSHOT, STREAMING, STOPPED = "new", "snapshot", "streaming", "stopped"


class LeaseLostError(RetryableError):
    """Another reader has the slot now: this one was slower than its lease."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Where the snapshot of a table is.

    Attributes:
        after: texts of the key of the last row taken; None at the beginning.
        watermark: of the rows that are being read: no change that they lack was committed before it.
        begun_at: when the rows behind `after` were begun to be taken, where that may be under way; else None.
        is_done: every row was taken.
    """

    after: tuple[str, ...] | None = None
    watermark: int = 0
    begun_at: str | None = None
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """Of a source.

    Attributes:
        status: `new`, `snapshot`, `streaming`, or `stopped` with a message.
        message: what has stopped it and what to do; else empty.
        system: the server's identifier.
        start: where the slot began, in bytes of the log.
        began_at: when that was, RFC 3339: the moment of the snapshot's rows.
        position: of the last change taken.
        confirmed: to where the slot has been, or is being, advanced.
        batch_received_at: when the batch behind `position` was begun, where that may be under way; else None.
        snapshot: `schema.table` as JSON of its two names → its chunk.
        lag_bytes: of the log behind `confirmed`, when it was last read.
        read_at: when that was, RFC 3339.
    """

    status: str = NEW
    message: str = ""
    system: str = ""
    start: int = 0
    began_at: str = ""
    position: Position = START
    confirmed: int = 0
    batch_received_at: str | None = None
    snapshot: dict[str, Chunk] = field(default_factory=dict)
    lag_bytes: int = 0
    read_at: str = ""

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "position": list(self.position),
            "snapshot": {
                name: {part: getattr(chunk, part) for part in chunk.__slots__}
                for name, chunk in self.snapshot.items()
            },
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "State":
        """From what was kept."""
        return cls(
            **{
                **document,
                "position": Position(*document["position"]),
                "snapshot": {
                    name: Chunk(**{**one, "after": None if one["after"] is None else tuple(one["after"])})
                    for name, one in document["snapshot"].items()
                },
            }
        )


class Lease:
    """A source's row while one reader has it. Every write demands that it still does, and prolongs the lease."""

    def __init__(self, metadata: Table, key: dict[str, Any], owner: str, seconds: int, state: State) -> None:
        self._metadata, self._key, self._owner, self._seconds = metadata, key, owner, seconds
        self.state = state

    def save(self, now: datetime, **changes: Any) -> State:
        """Keeps the state with these changes.

        Raises:
            LeaseLostError: another reader has it.
        """
        state = replace(self.state, **changes)
        held = self._metadata.update(
            self._key,
            "SET #d = :document, leaseUntil = :until",
            condition="leaseOwner = :owner",
            names={"#d": "document"},
            values={
                ":document": {"S": orjson.dumps(state.to_json()).decode()},
                ":until": {"N": str(clock.epoch(now) + self._seconds)},
                ":owner": {"S": self._owner},
            },
            doing="keep place of a source",
        )
        if not held:
            raise LeaseLostError("another reader has this slot")
        self.state = state
        return state

    def release(self) -> None:
        """Lets the next reader in at once, whatever has ended this one."""
        self._metadata.update(
            self._key,
            "REMOVE leaseOwner, leaseUntil",
            condition="leaseOwner = :owner",
            values={":owner": {"S": self._owner}},
            doing="release a source",
        )


class States:
    """The rows of sources."""

    def __init__(self, metadata: Table) -> None:
        """Makes no call."""
        self._metadata = metadata

    def read(self, org: str, name: str) -> State:
        """The state of a source; a new one where it was never read."""
        item = self._metadata.get(_key(org, name), consistent=True, doing="read place of a source")
        return _state(item)

    def listed(self, org: str) -> dict[str, State]:
        """Name → state, of the tenant's sources that have ever been read."""
        found = self._metadata.query(
            "entityTypeKey = :key", {":key": {"S": keys.metadata(org, KIND)}}, doing="list places of sources"
        )
        return {item["entityId"]["S"]: _state(item) for item in found}

    def acquire(self, org: str, name: str, owner: str, now: datetime, seconds: int) -> Lease | None:
        """The source for one reader; None while another has it.

        Args:
            org: the tenant.
            name: of the source.
            owner: of this reader alone, such as an id of its invocation.
            now: the moment.
            seconds: after which a reader that says nothing is taken for dead.
        """
        key = _key(org, name)
        free = self._metadata.update(
            key,
            "SET leaseOwner = :owner, leaseUntil = :until",
            condition="attribute_not_exists(leaseUntil) OR leaseUntil <= :now",
            values={
                ":owner": {"S": owner},
                ":until": {"N": str(clock.epoch(now) + seconds)},
                ":now": {"N": str(clock.epoch(now))},
            },
            doing="lease a source",
        )
        if not free:
            return None
        return Lease(self._metadata, key, owner, seconds, self.read(org, name))

    def forget(self, org: str, name: str) -> None:
        """Begins a source anew, with another slot and another snapshot."""
        self._metadata.delete(_key(org, name), doing="forget place of a source")


def _key(org: str, name: str) -> dict[str, Any]:
    return {"entityTypeKey": {"S": keys.metadata(org, KIND)}, "entityId": {"S": name}}


def _state(item: Any) -> State:
    if item is None or "document" not in item:
        return State()
    return State.from_json(orjson.loads(item["document"]["S"]))
