"""What is known of an entity's events without their bodies: for whoever looks for one among many, of any size."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from millrace.core import keys
from millrace.core.errors import ThrottledError, from_client_error

KEYS_PER_CALL = 100
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Found:
    """A row of Events: its id in lower case, its type, and whether the platform derived it."""

    event_id: str
    event_type: str
    derived: bool


def is_derived(item: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the platform derived the event of a row: then it is its own request, which no client can make it be."""
    return bool(item["requestId"]["S"].lower() == item["eventId"]["S"].rpartition(keys.SEPARATOR)[2])


class Heads:
    """Reads them by the index of entities. The tenant is part of every key."""

    def __init__(self, dynamodb: Any, events_table: str) -> None:
        self._dynamodb, self._table = dynamodb, events_table

    def of_entity(self, org: str, entity: str, entity_id: str) -> Iterator[Found]:
        """The events about an entity, newest first, without end of its own: the caller stops.

        Raises:
            MillraceError: the table did not answer.
        """
        query: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": "entity-timestamp-index",
            "KeyConditionExpression": "entityKey = :entity",
            "ExpressionAttributeValues": {":entity": {"S": keys.by_entity(org, entity, entity_id)}},
            "ScanIndexForward": False,
            "Limit": KEYS_PER_CALL,
        }
        while True:
            try:
                page = self._dynamodb.query(**query)
            except (ClientError, BotoCoreError) as error:
                raise from_client_error(error, "find events of entity") from error
            names = [item["eventId"]["S"] for item in page["Items"]]
            rows = self._rows(names)
            for name in names:
                row = rows.get(name)
                if row is not None and int(row["expiresAt"]["N"]) > time.time():
                    yield Found(name.rpartition(keys.SEPARATOR)[2], row["eventType"]["S"], is_derived(row))
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _rows(self, names: Sequence[str]) -> dict[str, Any]:
        rows: dict[str, Any] = {}
        left: list[Any] = [{"eventId": {"S": name}} for name in names]
        for attempt in range(ATTEMPTS):
            if not left:
                return rows
            asked = {"Keys": left, "ProjectionExpression": "eventId, eventType, requestId, expiresAt"}
            try:
                answer = self._dynamodb.batch_get_item(RequestItems={self._table: asked})
            except (ClientError, BotoCoreError) as error:
                raise from_client_error(error, "find events of entity") from error
            rows |= {row["eventId"]["S"]: row for row in answer["Responses"].get(self._table, [])}
            left = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            if left:
                time.sleep(0.05 * 2**attempt)
        raise ThrottledError("find events of entity: keys left unprocessed")
