"""Whether a source is paused: a row of its tenant in Metadata, `<org>#source` / name. Without one it is active."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from millrace.core import keys
from millrace.core.table import Item, Table
from millrace.feeders.binding import BUS, POSTGRES, WEBHOOK

ACTIVE, PAUSED = "active", "paused"
# Kinds whose sender brings later what is not taken now; only such a source is paused without a loss.
PAUSABLE = frozenset({WEBHOOK, POSTGRES})
# Of the others, why they are not.
NOT_PAUSED = {
    BUS: "EventBridge does not bring again what a rule has not taken. Stop its sender, or take the source out of its file and replay the archive of the bus later",
}
# A warm function remembers a state for so long.
KEPT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class State:
    """Of a source: `active` or `paused`, since when, and who made it so."""

    state: str = ACTIVE
    changed_at: str | None = None
    changed_by: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As the API answers it."""
        return {"state": self.state, "changedAt": self.changed_at, "changedBy": self.changed_by}


def row(org: str, name: str, state: State) -> Item:
    """The row of a state."""
    texts = {
        "entityTypeKey": _partition(org),
        "entityId": name,
        "state": state.state,
        "changedAt": state.changed_at or "",
        "changedBy": state.changed_by or "",
    }
    return {key: {"S": text} for key, text in texts.items()}


def listed(metadata: Table, org: str) -> dict[str, State]:
    """Name → state, of the tenant's sources that have ever been paused.

    Raises:
        MillraceError: the table did not answer.
    """
    found = metadata.query(
        "entityTypeKey = :key", {":key": {"S": _partition(org)}}, consistent=True, doing="list sources"
    )
    return {item["entityId"]["S"]: _state(item) for item in found}


class States:
    """States of sources, as a warm function remembers them."""

    def __init__(self, metadata: Table, seconds: Callable[[], float] = time.monotonic) -> None:
        """Makes no call; `seconds` is a clock that never goes back."""
        self._metadata, self._seconds = metadata, seconds
        self._known: dict[tuple[str, str], tuple[float, bool]] = {}

    def paused(self, org: str, name: str) -> bool:
        """Whether a source is paused, as of half a minute ago or less.

        Raises:
            MillraceError: the table did not answer.
        """
        known, at = self._known.get((org, name)), self._seconds()
        if known is None or at - known[0] >= KEPT_SECONDS:
            key: Mapping[str, Mapping[str, str]] = {
                "entityTypeKey": {"S": _partition(org)},
                "entityId": {"S": name},
            }
            item = self._metadata.get(key, doing="read state of a source")
            known = self._known[org, name] = (at, item is not None and _state(item).state == PAUSED)
        return known[1]


def _partition(org: str) -> str:
    return keys.metadata(org, "source")


def _state(item: Item) -> State:
    return State(item["state"]["S"], item["changedAt"]["S"], item["changedBy"]["S"])
