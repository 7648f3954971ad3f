"""Two tables, row for row: how many rows differ, or are in one of them only."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from millrace.core import clock
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
            if other is None or self._content(row) != self._content(other):
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
                keys = [{name: row[name] for name in names} for row in some]
                found = get_all(self._dynamodb, other, keys)
                by_key = {tuple(row[name]["S"] for name in names): row for row in found}
                for row in some:
                    yield row, by_key.get(tuple(row[name]["S"] for name in names))

    def _counts(self, row: Row) -> bool:
        since = row.get("receivedAt") or row.get("projectedAt") or {"S": ""}
        return int(row["expiresAt"]["N"]) > clock.epoch(self._now) and since["S"] < clock.utc_text(self._now)

    def _content(self, row: Row) -> dict[str, Any]:
        """What a row says: the body as the event in it, since the order of its names says nothing."""
        said: dict[str, Any] = dict(row)
        if "body" in row:
            said["body"] = orjson.loads(self._codec.unpack(bytes(row["body"]["B"]), row["dict"]["S"]))
        return said
