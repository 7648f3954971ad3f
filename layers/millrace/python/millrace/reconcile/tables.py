"""What the tables have: keys of the type index, at 16 bytes an id, and whole rows only of events that are missing somewhere."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from millrace.core import clock, keys
from millrace.core.errors import ThrottledError, from_client_error
from millrace.eventstore.row import Item
from millrace.reconcile.compare import to_bytes
from millrace.reconcile.window import Window

INDEX = "eventType-timestamp-index"
KEYS_PER_CALL = 100
ATTEMPTS = 6
# Behind the moment of a sort key: `2026-11-21T05:54:16.123Z#`.
_ID = 25
_HOUR = slice(11, 13)


def of_type(
    dynamodb: Any, table: str, org: str, event_type: str, window: Window
) -> Iterator[list[tuple[int, bytes]]]:
    """Hour and id of a tenant's events of a type, a page at a time: of Events, or of the pointers of UserEvents.

    Raises:
        MillraceError: the table did not answer.
    """
    query: dict[str, Any] = {
        "TableName": table,
        "IndexName": INDEX,
        "KeyConditionExpression": "typeKey = :type AND sortKey BETWEEN :low AND :high",
        "ExpressionAttributeValues": {
            ":type": {"S": keys.by_type(org, event_type)},
            ":low": {"S": clock.utc_text(window.start)},
            # Every key has something behind its moment, so none is this one.
            ":high": {"S": clock.utc_text(window.end)},
        },
        "ProjectionExpression": "sortKey",
    }
    while True:
        page = _ask(lambda: dynamodb.query(**query), "read keys of a type")
        yield [
            (int(text[_HOUR]), to_bytes(text[_ID:]))
            for text in (item["sortKey"]["S"] for item in page["Items"])
        ]
        if "LastEvaluatedKey" not in page:
            return
        query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def rows(dynamodb: Any, table: str, wanted: Iterable[dict[str, Any]]) -> Iterator[Item]:
    """The rows under these keys that are there, strongly consistent.

    Raises:
        MillraceError: the table did not answer for all.
    """
    left = list(wanted)
    for start in range(0, len(left), KEYS_PER_CALL):
        yield from _rows(dynamodb, table, left[start : start + KEYS_PER_CALL])


def _rows(dynamodb: Any, table: str, asked: Sequence[dict[str, Any]]) -> Iterator[Item]:
    left = list(asked)
    for attempt in range(ATTEMPTS):
        request = {table: {"Keys": left, "ConsistentRead": True}}
        answer = _ask(lambda: dynamodb.batch_get_item(RequestItems=request), "read rows")  # noqa: B023  called at once
        yield from answer["Responses"].get(table, [])
        left = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
        if not left:
            return
        time.sleep(0.05 * 2**attempt)
    raise ThrottledError(f"read rows: {len(left)} keys left unprocessed")


def _ask(call: Callable[[], Any], doing: str) -> Any:
    try:
        return call()
    except (ClientError, BotoCoreError) as error:
        raise from_client_error(error, doing) from error
