"""Reads of the event store: one event by id, lists by every index, newest first."""

import heapq
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice

from millrace.core import keys
from millrace.core.clock import utc_micros
from millrace.core.identity import identity_text
from millrace.core.table import KEYS_PER_CALL, Item, Table, is_expired
from millrace.eventstore import order
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import StoredEvent, body_of, from_item

# Shards whose first page is read at once.
READERS = 16


@dataclass(frozen=True, slots=True)
class Index:
    """One access path: where it is and under which key values, which are the shards of one list."""

    table: Table
    name: str
    attribute: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """An event of a list: its sort key in microseconds, and its envelope as the JSON that was stored."""

    position: str
    body: bytes


class EventReader:
    """Reads one tenant's events. The tenant is part of every key, so no answer can hold another's."""

    def __init__(self, events: Table, user_events: Table, codec: Codec, type_shards: int = 1) -> None:
        """`type_shards`: the keys that a tenant's events of one type are spread over; it only ever grows."""
        self._events, self._user_events, self._codec = events, user_events, codec
        self._shards = type_shards
        # Makes its threads when it is first used, which is for a list of several shards.
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="shards")

    def get(self, org: str, event_id: str) -> StoredEvent | None:
        """One event, or None: there is none, it is another tenant's, or it has expired.

        Raises:
            MillraceError: the table did not answer.
        """
        row = self._row(org, event_id)
        return None if row is None else from_item(row, self._codec)

    def body(self, org: str, event_id: str) -> bytes | None:
        """The envelope of one event as the JSON that was stored; None as for `get`.

        Raises:
            MillraceError: the table did not answer.
        """
        row = self._row(org, event_id)
        return None if row is None else body_of(row, self._codec)

    def _row(self, org: str, event_id: str) -> Item | None:
        key = {"eventId": {"S": keys.event(org, event_id)}}
        row = self._events.get(key, consistent=True, doing="read event")
        return None if row is None or is_expired(row) else row

    def pointer(self, event: StoredEvent) -> Item | None:
        """The UserEvents row of an event, if it has been projected; also one whose key says milliseconds."""
        partition = keys.by_owner(event.org, event.envelope.get("userId"), event.envelope.get("sessionId"))
        if partition is None:
            return None
        sort_key = keys.sort(event.happened_at, event.event_id)
        for written in (sort_key, keys.of_milliseconds(sort_key)):
            key = {"userKey": {"S": partition}, "sortKey": {"S": written}}
            pointer = self._user_events.get(key, doing="read projection")
            if pointer is not None:
                return pointer
        return None

    def of_type(self, org: str, event_type: str) -> Index:
        """Events of a type."""
        values = tuple(keys.by_type(org, event_type, shard) for shard in range(self._shards))
        return Index(self._events, "eventType-timestamp-index", "typeKey", values)

    def of_user(self, org: str, user: str) -> Index:
        """Events of a user."""
        return Index(self._events, "userId-timestamp-index", "userKey", (keys.by_user(org, user),))

    def of_correlation(self, org: str, correlation: str) -> Index:
        """Events with a correlation id."""
        values = (keys.by_correlation(org, correlation),)
        return Index(self._events, "correlationId-timestamp-index", "correlationKey", values)

    def of_session(self, org: str, session: str) -> Index:
        """Events of a session."""
        return Index(
            self._user_events, "sessionId-timestamp-index", "sessionKey", (keys.by_session(org, session),)
        )

    def of_entity(self, org: str, entity: str, entity_id: str) -> Index:
        """Events about an entity, such as an order."""
        values = (keys.by_entity(org, entity, entity_id),)
        return Index(self._events, "entity-timestamp-index", "entityKey", values)

    def listed(
        self,
        org: str,
        index: Index,
        since: datetime | None,
        until: datetime | None,
        after: str | None,
        expected: int,
    ) -> Iterator[ListedEvent]:
        """Events of an index between two moments of their own, newest first, none of them parsed.

        Rows are loaded as the iterator advances.

        Args:
            org: the tenant.
            index: by `of_type`, `of_user`, ….
            since: inclusive.
            until: exclusive.
            after: the position of the last event of the page before.
            expected: how many the caller takes at most, so that no more are loaded, nor read of any shard.

        Raises:
            MillraceError: a table did not answer.
        """
        for sort_key, row in self._rows(org, index, since, until, after, expected):
            if keys.is_of_milliseconds(sort_key):
                event = from_item(row, self._codec)
                sort_key = keys.sort(event.happened_at, event.event_id)  # noqa: PLW2901  the exact form of the same key
            yield ListedEvent(sort_key, body_of(row, self._codec))

    def _rows(
        self,
        org: str,
        index: Index,
        since: datetime | None,
        until: datetime | None,
        after: str | None,
        expected: int,
    ) -> Iterator[tuple[str, Item]]:
        low = utc_micros(since) if since is not None else order.LOWEST
        high = utc_micros(until) if until is not None else order.HIGHEST
        if after is not None:
            high = min(high, after)
        if low >= high:
            return
        descending = self._sort_keys(index, low, high, expected)
        ordered = order.newest_first(descending, low, high, lambda ids: self._sort_keys_of(org, ids))
        left = expected
        while some := list(islice(ordered, min(left, KEYS_PER_CALL))):
            # More than expected only where rows are missing.
            left = left - len(some) or expected
            ids = [keys.event(org, keys.id_of(sort_key)) for sort_key in some]
            rows = {row["eventId"]["S"]: row for row in self._batch_get(ids)}
            # Rows that have expired or were deleted meanwhile are left out.
            for sort_key, identifier in zip(some, ids, strict=True):
                if identifier in rows and not is_expired(rows[identifier]):
                    yield sort_key, rows[identifier]

    def _sort_keys(self, index: Index, low: str, high: str, page_size: int) -> Iterator[str]:
        """Those of all shards, descending; with the older keys in milliseconds, which in text sort behind `high` and in time may not.

        A shard is read on only where its next keys are needed. A position is a sort key whatever shard it is in, so a cursor
        holds however many shards there are when it is used.
        """
        bounded = high != order.HIGHEST
        # The key of the cursor itself is read as well: no condition can leave it out.
        shards = [self._query(index, value, low, high, page_size + bounded) for value in index.values]
        if bounded:
            # The older keys are of a time when there was one shard.
            at_high = order.of_milliseconds_at(high)
            shards[0] = chain(self._query(index, index.values[0], *at_high, page_size), shards[0])
        if len(shards) == 1:
            return shards[0]
        heads = self._pool.map(lambda shard: list(islice(shard, 1)), shards)
        return heapq.merge(*map(chain, heads, shards), reverse=True)

    def _query(self, index: Index, value: str, low: str, high: str, page_size: int) -> Iterator[str]:
        pages = index.table.pages(
            f"{index.attribute} = :value AND sortKey BETWEEN :low AND :high",
            {":value": {"S": value}, ":low": {"S": low}, ":high": {"S": high}},
            index=index.name,
            newest_first=True,
            page_size=page_size,
            doing="list events",
        )
        return (item["sortKey"]["S"] for page in pages for item in page.items)

    def _sort_keys_of(self, org: str, ids: Sequence[str]) -> dict[str, str]:
        """Identity of an event → sort key in microseconds."""
        rows = self._batch_get([keys.event(org, identifier) for identifier in ids])
        events = (from_item(row, self._codec) for row in rows)
        return {
            identity_text(event.event_id): keys.sort(event.happened_at, event.event_id) for event in events
        }

    def _batch_get(self, ids: Sequence[str]) -> Iterator[Item]:
        return self._events.batch_get([{"eventId": {"S": one}} for one in ids], doing="read events")
