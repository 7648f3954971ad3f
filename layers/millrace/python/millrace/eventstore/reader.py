"""Reads of the event store: one event by id, lists by every index, newest first."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
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
from millrace.eventstore.row import Head, StoredEvent, body_of, from_item, head_of

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
    """An event of a list: its sort key in microseconds, its type, and its envelope as the JSON that was stored."""

    position: str
    event_type: str
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

    def one(self, org: str, event_id: str) -> ListedEvent | None:
        """One event as a list has it; None as for `get`.

        Raises:
            MillraceError: the table did not answer.
        """
        row = self._row(org, event_id)
        if row is None:
            return None
        return ListedEvent(row["sortKey"]["S"], row["eventType"]["S"], body_of(row, self._codec))

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

    def of_user(self, org: str, *stored: str) -> Index:
        """Events of a user: `stored` is what stands in their rows, the id in the oldest, then the person's number."""
        values = tuple(keys.by_user(org, one) for one in dict.fromkeys(stored))
        return Index(self._events, "userId-timestamp-index", "userKey", values)

    def of_correlation(self, org: str, correlation: str) -> Index:
        """Events with a correlation id."""
        values = (keys.by_correlation(org, correlation),)
        return Index(self._events, "correlationId-timestamp-index", "correlationKey", values)

    def of_session(self, org: str, session: str) -> Index:
        """Events of a session."""
        return Index(
            self._user_events, "sessionId-timestamp-index", "sessionKey", (keys.by_session(org, session),)
        )

    def of_entity(self, org: str, entity: str, *stored: str) -> Index:
        """Events about an entity, such as an order; `stored` is what stands in their rows, as for `of_user`."""
        values = tuple(keys.by_entity(org, entity, one) for one in dict.fromkeys(stored))
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
            yield ListedEvent(sort_key, row["eventType"]["S"], body_of(row, self._codec))

    def told(
        self,
        org: str,
        index: Index,
        since: datetime | None,
        until: datetime | None,
        after: str | None,
        most: int,
    ) -> tuple[Iterator[tuple[StoredEvent, bytes]], bool]:
        """Events of an index between two moments of their own, oldest first, each with the JSON that was stored.

        The keys of the newest `most` are read at once, rows as the iterator advances. The second value says whether there
        are older ones.

        Args:
            org: the tenant.
            index: by `of_type`, `of_user`, ….
            since: inclusive.
            until: exclusive.
            after: the position of the last event of the page before.
            most: how many keys are read.

        Raises:
            MillraceError: a table did not answer.
        """
        low = max(_low(since), after or order.LOWEST)
        ordered = self._ordered(org, index, low, _high(until), most + 1)
        found = [one for one in islice(ordered, most + 1) if one != after]
        rows = self._loaded(org, reversed(found[:most]), most)
        told = ((from_item(row, self._codec), body_of(row, self._codec)) for _, row in rows)
        return told, len(found) > most

    def _rows(
        self,
        org: str,
        index: Index,
        since: datetime | None,
        until: datetime | None,
        after: str | None,
        expected: int,
    ) -> Iterator[tuple[str, Item]]:
        high = min(_high(until), after or order.HIGHEST)
        return self._loaded(org, self._ordered(org, index, _low(since), high, expected), expected)

    def _ordered(self, org: str, index: Index, low: str, high: str, expected: int) -> Iterator[str]:
        """Sort keys from `low` (inclusive) to `high` (exclusive), newest first."""
        if low >= high:
            return iter(())
        descending = self._sort_keys(index, low, high, expected)
        return order.newest_first(descending, low, high, lambda ids: self._sort_keys_of(org, ids))

    def _loaded(self, org: str, ordered: Iterator[str], expected: int) -> Iterator[tuple[str, Item]]:
        """The rows of sort keys, in their order."""
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

    def heads(self, org: str, ids: Iterable[str]) -> dict[str, Head]:
        """What the rows of events have in plain, by the identity of each id; none of those that there are not.

        Raises:
            MillraceError: the table did not answer.
        """
        found = self._events.batch_get(
            [{"eventId": {"S": keys.event(org, one)}} for one in dict.fromkeys(map(identity_text, ids))],
            projection="eventId, orgId, eventType, sortKey, expiresAt",
            doing="read heads",
        )
        return {head.event_id: head for head in map(head_of, (row for row in found if not is_expired(row)))}

    def some(self, org: str, ids: Iterable[str]) -> dict[str, StoredEvent]:
        """Events by the identity of each id; none of those that there are not.

        Raises:
            MillraceError: the table did not answer.
        """
        rows = self._batch_get([keys.event(org, one) for one in dict.fromkeys(map(identity_text, ids))])
        events = (from_item(row, self._codec) for row in rows if not is_expired(row))
        return {identity_text(event.event_id): event for event in events}

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


def _low(since: datetime | None) -> str:
    return order.LOWEST if since is None else utc_micros(since)


def _high(until: datetime | None) -> str:
    return order.HIGHEST if until is None else utc_micros(until)
