"""What the tables have: keys of Events by type, which pointers are there, and whole rows of what is missing somewhere."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
READERS = 8
# Partition and sort key of a row of UserEvents.
Pointer = tuple[str, str]
_HOUR = slice(11, 13)


def of_type(
    dynamodb: Any, table: str, org: str, event_type: str, window: Window
) -> Iterator[list[tuple[int, bytes]]]:
    """Hour and id of a tenant's rows of a type in Events, a page at a time.

    Raises:
        MillraceError: the table did not answer.
    """
    query: dict[str, Any] = {
        "TableName": table,
        "IndexName": INDEX,
        "KeyConditionExpression": "typeKey = :type AND sortKey BETWEEN :low AND :high",
        "ExpressionAttributeValues": {
            ":type": {"S": keys.by_type(org, event_type)},
            # Milliseconds without `Z` stand before every key of them, of either width; windows begin and end with hours.
            ":low": {"S": keys.millisecond(clock.utc_micros(window.start))},
            ":high": {"S": keys.millisecond(clock.utc_micros(window.end))},
        },
        "ProjectionExpression": "sortKey",
    }
    while True:
        page = _ask(lambda: dynamodb.query(**query), "read keys of a type")
        yield [
            (int(text[_HOUR]), to_bytes(keys.id_of(text)))
            for text in (item["sortKey"]["S"] for item in page["Items"])
        ]
        if "LastEvaluatedKey" not in page:
            return
        query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def rows(dynamodb: Any, table: str, wanted: Iterable[Item]) -> Iterator[Item]:
    """The rows under these keys that are there, strongly consistent.

    Raises:
        MillraceError: the table did not answer for all.
    """
    left = list(wanted)
    for start in range(0, len(left), KEYS_PER_CALL):
        asked = {"Keys": left[start : start + KEYS_PER_CALL], "ConsistentRead": True}
        yield from _rows(dynamodb, table, asked)


def pointers(dynamodb: Any, table: str, wanted: Collection[Pointer]) -> set[Pointer]:
    """Those of some keys of UserEvents under which there is a pointer; what was written just now may be overlooked.

    A pointer that stands under the key of milliseconds, as all were written before, is one.

    Raises:
        MillraceError: the table did not answer for all.
    """
    found = _pointers(dynamodb, table, wanted)
    before = {(user, keys.of_milliseconds(sort)): (user, sort) for user, sort in set(wanted) - found}
    return found | {before[one] for one in _pointers(dynamodb, table, before)}


def _pointers(dynamodb: Any, table: str, wanted: Collection[Pointer]) -> set[Pointer]:
    left = list(wanted)

    def ask(start: int) -> list[Pointer]:
        keys_of = [
            {"userKey": {"S": user}, "sortKey": {"S": sort}}
            for user, sort in left[start : start + KEYS_PER_CALL]
        ]
        asked = {"Keys": keys_of, "ProjectionExpression": "userKey, sortKey"}
        return [(row["userKey"]["S"], row["sortKey"]["S"]) for row in _rows(dynamodb, table, asked)]

    with ThreadPoolExecutor(READERS, thread_name_prefix="pointers") as pool:
        return {one for found in pool.map(ask, range(0, len(left), KEYS_PER_CALL)) for one in found}


def _rows(dynamodb: Any, table: str, asked: dict[str, Any]) -> Iterator[Item]:
    for attempt in range(ATTEMPTS):
        request = {table: asked}
        answer = _ask(lambda: dynamodb.batch_get_item(RequestItems=request), "read rows")  # noqa: B023  called at once
        yield from answer["Responses"].get(table, [])
        left = answer.get("UnprocessedKeys", {}).get(table)
        if not left:
            return
        asked = left
        time.sleep(0.05 * 2**attempt)
    raise ThrottledError(f"read rows: {len(asked['Keys'])} keys left unprocessed")


def _ask(call: Callable[[], Any], doing: str) -> Any:
    try:
        return call()
    except (ClientError, BotoCoreError) as error:
        raise from_client_error(error, doing) from error
