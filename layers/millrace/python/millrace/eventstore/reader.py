"""Reads of the event store: one event by id, lists by every index, newest first."""

import heapq
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from millrace.core import keys
from millrace.core.clock import utc_micros
from millrace.core.errors import ThrottledError, from_client_error
from millrace.eventstore import order
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import Item, StoredEvent, body_of, from_item

IDS_PER_CALL = 100
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Index:
    """One access path: where it is and under which key values."""

    table: str
    name: str
    attribute: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """An event of a list: its place in the order, as a sort key, and its envelope as the JSON that was stored."""

    position: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """Events newest first, and the position after which the next page starts (None: there is none)."""

    events: list[StoredEvent]
    next: str | None


class EventReader:
    """Reads one tenant's events. The tenant is part of every key, so no answer can hold another's."""

    def __init__(
        self, dynamodb: Any, codec: Codec, events_table: str, user_events_table: str, type_shards: int = 1
    ) -> None:
        self._dynamodb, self._codec = dynamodb, codec
        self._events, self._user_events, self._shards = events_table, user_events_table, type_shards

    def get(self, org: str, event_id: str) -> StoredEvent | None:
        """One event, or None: it never was, it is another tenant's, or its time is over.

        Raises:
            MillraceError: the table did not answer.
        """
        found = self._row(org, event_id)
        return None if found is None else from_item(found, self._codec)

    def body(self, org: str, event_id: str) -> bytes | None:
        """The envelope of one event as the JSON that was stored; None as for `get`.

        Raises:
            MillraceError: the table did not answer.
        """
        found = self._row(org, event_id)
        return None if found is None else body_of(found, self._codec)

    def _row(self, org: str, event_id: str) -> Item | None:
        try:
            found: Item | None = self._dynamodb.get_item(
                TableName=self._events, Key={"eventId": {"S": keys.event(org, event_id)}}, ConsistentRead=True
            ).get("Item")
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, "read event") from error
        return None if found is None or _expired(found) else found

    def pointer(self, event: StoredEvent) -> Item | None:
        """The UserEvents row of an event, if it has been projected; also one whose key says milliseconds."""
        partition = keys.by_owner(event.org, event.envelope.get("userId"), event.envelope.get("sessionId"))
        if partition is None:
            return None
        sort_key = keys.sort(event.happened_at, event.event_id)
        for place in (sort_key, keys.of_milliseconds(sort_key)):
            key = {"userKey": {"S": partition}, "sortKey": {"S": place}}
            try:
                found: Item | None = self._dynamodb.get_item(TableName=self._user_events, Key=key).get("Item")
            except (ClientError, BotoCoreError) as error:
                raise from_client_error(error, "read projection") from error
            if found is not None:
                return found
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

    def page(
        self,
        org: str,
        index: Index,
        since: datetime | None,
        until: datetime | None,
        limit: int,
        after: str | None,
    ) -> Page:
        """Events of an index between two moments of their own (`since` inclusive, `until` exclusive).

        Raises:
            MillraceError: a table did not answer.
        """
        # One more than asked for says whether there is a next page.
        found = list(islice(self._rows(org, index, since, until, after, limit + 1), limit + 1))
        more = len(found) > limit
        events = [from_item(row, self._codec) for _, row in found[:limit]]
        return Page(events, keys.sort(events[-1].happened_at, events[-1].event_id) if more else None)

    def listed(
        self,
        org: str,
        index: Index,
        since: datetime | None,
        until: datetime | None,
        after: str | None,
        expected: int,
    ) -> Iterator[Listed]:
        """The same events one after the other, none of them parsed; rows are loaded as they are asked for.

        Args:
            org: the tenant.
            index: by `of_type`, `of_user`, ….
            since: inclusive.
            until: exclusive.
            after: the position of the last event of the page before.
            expected: how many will be asked for at most, so that no more are loaded.

        Raises:
            MillraceError: a table did not answer.
        """
        for sort_key, row in self._rows(org, index, since, until, after, expected):
            if keys.is_of_milliseconds(sort_key):
                event = from_item(row, self._codec)
                sort_key = keys.sort(event.happened_at, event.event_id)  # noqa: PLW2901  the same place, exactly
            yield Listed(sort_key, body_of(row, self._codec))

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
        found = heapq.merge(
            *(self._sort_keys(index, value, low, high) for value in index.values), reverse=True
        )
        ordered = order.newest_first(found, low, high, lambda ids: self._places(org, ids))
        while some := list(islice(ordered, min(expected, IDS_PER_CALL))):
            ids = [keys.event(org, keys.id_of(sort_key)) for sort_key in some]
            rows = self._batch_get(ids)
            # What has gone from the table meanwhile is left out.
            for sort_key, identifier in zip(some, ids, strict=True):
                if identifier in rows and not _expired(rows[identifier]):
                    yield sort_key, rows[identifier]

    def _sort_keys(self, index: Index, value: str, low: str, high: str) -> Iterator[str]:
        """Descending; with those in whole milliseconds that text puts behind `high` and time may not."""
        before = self._query(index, value, *order.of_milliseconds_at(high)) if high != order.HIGHEST else ()
        return chain(before, self._query(index, value, low, high))

    def _query(self, index: Index, value: str, low: str, high: str) -> Iterator[str]:
        query: dict[str, Any] = {
            "TableName": index.table,
            "IndexName": index.name,
            "KeyConditionExpression": f"{index.attribute} = :value AND sortKey BETWEEN :low AND :high",
            "ExpressionAttributeValues": {":value": {"S": value}, ":low": {"S": low}, ":high": {"S": high}},
            "ScanIndexForward": False,
        }
        while True:
            try:
                page = self._dynamodb.query(**query)
            except (ClientError, BotoCoreError) as error:
                raise from_client_error(error, "list events") from error
            for item in page["Items"]:
                yield item["sortKey"]["S"]
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _places(self, org: str, ids: Sequence[str]) -> dict[str, str]:
        """By id the sort key that would be written today."""
        wanted = [keys.event(org, identifier) for identifier in ids]
        found: dict[str, str] = {}
        for start in range(0, len(wanted), IDS_PER_CALL):
            for row in self._batch_get(wanted[start : start + IDS_PER_CALL]).values():
                event = from_item(row, self._codec)
                found[event.event_id.lower()] = keys.sort(event.happened_at, event.event_id)
        return found

    def _batch_get(self, ids: Sequence[str]) -> dict[str, Item]:
        left: dict[str, Any] = {
            self._events: {"Keys": [{"eventId": {"S": identifier}} for identifier in ids]}
        }
        rows: dict[str, Item] = {}
        for attempt in range(ATTEMPTS):
            try:
                answer = self._dynamodb.batch_get_item(RequestItems=left)
            except (ClientError, BotoCoreError) as error:
                raise from_client_error(error, "read events") from error
            for row in answer["Responses"].get(self._events, []):
                rows[row["eventId"]["S"]] = row
            left = answer.get("UnprocessedKeys") or {}
            if not left:
                return rows
            time.sleep(0.05 * 2**attempt)
        raise ThrottledError("read events: keys left unprocessed")


def _expired(row: Item) -> bool:
    # Time to live removes up to days late; an expired row is gone for every reader at once.
    return int(row["expiresAt"]["N"]) <= time.time()
