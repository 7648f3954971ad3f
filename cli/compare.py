"""Two tables, row for row: how many rows differ, or are in one of them only."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from millrace.core import clock, keys
from millrace.core.errors import ThrottledError
from millrace.eventstore.codec import Codec

KEYS_PER_CALL = 100
TRIES = 8

Row = dict[str, dict[str, Any]]


def get_all(dynamodb: Any, table: str, keys: Sequence[Row]) -> list[Row]:
    """The rows that are there under at most 100 keys, strongly consistent.

    Raises:
        ThrottledError: the table did not answer for all.
    """
    left: list[Row] = list(keys)
    found: list[Row] = []
    for attempt in range(TRIES):
        answer = dynamodb.batch_get_item(RequestItems={table: {"Keys": left, "ConsistentRead": True}})
        found += answer["Responses"].get(table, [])
        left = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
        if not left:
            return found
        # A page of 16 MB is answered in parts; only a table that gives nothing more is waited for.
        time.sleep(0.05 * 2**attempt)
    raise ThrottledError(f"read {table}: {len(left)} keys left unprocessed")


class Comparison:
    """Compares an original with what was made again of it."""

    def __init__(self, dynamodb: Any, codec: Codec, original: str, into: str) -> None:
        """Rows that came after this moment, or have expired, are left out."""
        self._dynamodb, self._codec = dynamodb, codec
        self._original, self._into = original, into
        self._now = clock.now()

    def different(self, told: Callable[[int], None] = lambda _: None) -> int:
        """Rows of the original that are not the same in the other one, and rows that only the other one has."""
        differing = 0
        for seen, (row, other) in enumerate(self._pairs(self._original, self._into)):
            if other is None or not self._same(row, other):
                differing += 1
            told(seen)
        return differing + sum(other is None for _, other in self._pairs(self._into, self._original))

    def _pairs(self, table: str, other: str) -> Iterator[tuple[Row, Row | None]]:
        """Each row of a table with the row of the other one under its key."""
        described = self._dynamodb.describe_table(TableName=table)["Table"]["KeySchema"]
        names = [key["AttributeName"] for key in described]
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        for page in pages:
            rows = [row for row in page["Items"] if self._counts(row)]
            for start in range(0, len(rows), KEYS_PER_CALL):
                some = rows[start : start + KEYS_PER_CALL]
                found = get_all(self._dynamodb, other, [{name: row[name] for name in names} for row in some])
                by_key = {tuple(row[name]["S"] for name in names): row for row in found}
                for row in some:
                    same = by_key.get(tuple(row[name]["S"] for name in names))
                    if same is None and "sortKey" in names:
                        same = self._in_other_width(other, row)
                    yield row, same

    def _in_other_width(self, table: str, row: Row) -> Row | None:
        """The pointer of the same event whose key says microseconds where this one's says milliseconds, or the other way."""
        sort_key = row["sortKey"]["S"]
        wanted = keys.id_of(sort_key)
        if not keys.is_of_milliseconds(sort_key):
            place = {"userKey": row["userKey"], "sortKey": {"S": keys.of_milliseconds(sort_key)}}
            return next(iter(get_all(self._dynamodb, table, [place])), None)
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=table,
            KeyConditionExpression="userKey = :user AND begins_with(sortKey, :millisecond)",
            ExpressionAttributeValues={
                ":user": row["userKey"],
                ":millisecond": {"S": keys.millisecond(sort_key)},
            },
            ConsistentRead=True,
        )
        found = (item for page in pages for item in page["Items"])
        return next((item for item in found if keys.id_of(item["sortKey"]["S"]) == wanted), None)

    def _same(self, row: Row, other: Row) -> bool:
        """Whether two rows say the same. A row of before says its moment in milliseconds only."""
        said, meant = self._content(row), self._content(other)
        both = (said["sortKey"]["S"], meant["sortKey"]["S"])
        if any(map(keys.is_of_milliseconds, both)):
            for content in (said, meant):
                content["sortKey"] = keys.millisecond(content["sortKey"]["S"])
        return said == meant

    def _counts(self, row: Row) -> bool:
        since = row.get("receivedAt") or row.get("projectedAt") or {"S": ""}
        return int(row["expiresAt"]["N"]) > clock.epoch(self._now) and since["S"] < clock.utc_text(self._now)

    def _content(self, row: Row) -> dict[str, Any]:
        """What a row says: the body as the event in it, since the order of its names says nothing."""
        said: dict[str, Any] = dict(row)
        if "body" in row:
            said["body"] = orjson.loads(self._codec.unpack(bytes(row["body"]["B"]), row["dict"]["S"]))
        return said
