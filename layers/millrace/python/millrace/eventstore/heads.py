"""What is known of an entity's events without their bodies: for whoever looks for one among many, of any size."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from millrace.core import keys
from millrace.core.table import KEYS_PER_CALL, Table, is_expired


@dataclass(frozen=True, slots=True)
class EntityEvent:
    """A row of Events: its id's identity, its type, and whether the platform derived it."""

    event_id: str
    event_type: str
    derived: bool


def is_derived(item: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the platform derived the event of a row: then it is its own request, which no client can make it be."""
    return bool(item["requestId"]["S"].lower() == item["eventId"]["S"].rpartition(keys.SEPARATOR)[2])


class Heads:
    """Reads them by the index of entities. The tenant is part of every key."""

    def __init__(self, events: Table) -> None:
        self._events = events

    def of_entity(self, org: str, entity: str, entity_id: str) -> Iterator[EntityEvent]:
        """The events about an entity, newest first, without end of its own: the caller stops.

        Raises:
            MillraceError: the table did not answer.
        """
        pages = self._events.pages(
            "entityKey = :entity",
            {":entity": {"S": keys.by_entity(org, entity, entity_id)}},
            index="entity-timestamp-index",
            newest_first=True,
            page_size=KEYS_PER_CALL,
            doing="find events of entity",
        )
        for page in pages:
            names = [item["eventId"]["S"] for item in page.items]
            rows = self._events.batch_get(
                [{"eventId": {"S": name}} for name in names],
                projection="eventId, eventType, requestId, expiresAt",
                doing="find events of entity",
            )
            by_name = {row["eventId"]["S"]: row for row in rows}
            for name in names:
                row = by_name.get(name)
                if row is not None and not is_expired(row):
                    yield EntityEvent(
                        name.rpartition(keys.SEPARATOR)[2], row["eventType"]["S"], is_derived(row)
                    )
