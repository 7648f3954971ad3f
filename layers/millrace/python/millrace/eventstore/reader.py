"""Reads of the event store: one event by id, lists by every index, newest first."""

import heapq
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from millrace.core import clock, keys
from millrace.core.errors import ThrottledError, from_client_error
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import Item, StoredEvent, from_item

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
class Page:
    """Events newest first, and the sort key after which the next page starts (None: there is none)."""

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
        try:
            found = self._dynamodb.get_item(
                TableName=self._events, Key={"eventId": {"S": keys.event(org, event_id)}}, ConsistentRead=True
            ).get("Item")
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, "read event") from error
        return None if found is None or _expired(found) else from_item(found, self._codec)

    def pointer(self, event: StoredEvent) -> Item | None:
        """The UserEvents row of an event, if it has been projected."""
        partition = keys.by_owner(event.org, event.envelope.get("userId"), event.envelope.get("sessionId"))
        if partition is None:
            return None
        key = {"userKey": {"S": partition}, "sortKey": {"S": keys.sort(event.happened_at, event.event_id)}}
        try:
            found: Item | None = self._dynamodb.get_item(TableName=self._user_events, Key=key).get("Item")
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, "read projection") from error
        return found

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
        low = clock.utc_text(since) if since is not None else "0"
        high = after or (clock.utc_text(until) if until is not None else ":")
        if low >= high:
            return Page([], None)
        found = heapq.merge(
            *(self._sort_keys(index, value, low, high) for value in index.values), reverse=True
        )
        events: list[StoredEvent] = []
        wanted: list[str] = []
        for sort_key in found:
            if sort_key >= high:
                continue
            wanted.append(sort_key)
            # One more than asked for says whether there is a next page.
            if len(events) + len(wanted) > limit:
                events.extend(self._load(org, wanted))
                wanted = []
                if len(events) > limit:
                    break
        events.extend(self._load(org, wanted))
        page = events[:limit]
        more = len(events) > limit
        return Page(page, keys.sort(page[-1].happened_at, page[-1].event_id) if more else None)

    def _sort_keys(self, index: Index, value: str, low: str, high: str) -> Iterator[str]:
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

    def _load(self, org: str, sort_keys: Sequence[str]) -> list[StoredEvent]:
        """The events behind sort keys, in their order; what has gone from the table meanwhile is left out."""
        ids = [keys.event(org, sort_key.partition(keys.SEPARATOR)[2]) for sort_key in sort_keys]
        rows: dict[str, Item] = {}
        for start in range(0, len(ids), IDS_PER_CALL):
            rows.update(self._batch_get(ids[start : start + IDS_PER_CALL]))
        return [from_item(rows[i], self._codec) for i in ids if i in rows and not _expired(rows[i])]

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
