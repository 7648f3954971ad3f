"""Two tables, row for row: how many rows differ, or are in one of them only."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from millrace.core import clock, keys
from millrace.core.table import KEYS_PER_CALL, Item, Table
from millrace.eventstore.codec import Codec

# DynamoDB answers at most 16 MB a call; pauses are only needed where it returns nothing at all.
TABLE_ATTEMPTS = 8
_REPEATED = frozenset({"eventId", "eventType", "orgId"})


class TableComparison:
    """Compares an original with its copy; both have the same key attributes."""

    def __init__(self, codec: Codec, original: Table, copy: Table, key: Sequence[str]) -> None:
        """`key`: the names of the key attributes. Rows that arrived after now, or have expired, are left out."""
        self._codec, self._original, self._copy, self._key = codec, original, copy, key
        self._now = clock.now()

    def different(self, progress: Callable[[int], None] = lambda _: None) -> int:
        """Rows of the original that are not the same in the copy, and rows that only the copy has."""
        differing = 0
        for seen, (row, other) in enumerate(self._pairs(self._original, self._copy)):
            if other is None or not self._same(row, other):
                differing += 1
            progress(seen)
        return differing + sum(other is None for _, other in self._pairs(self._copy, self._original))

    def _pairs(self, table: Table, other: Table) -> Iterator[tuple[Item, Item | None]]:
        """Each row of a table with the row of the other one under its key."""
        chunk: list[Item] = []
        for row in table.scan(consistent=True):
            if self._is_compared(row):
                chunk.append(row)
            if len(chunk) == KEYS_PER_CALL:
                yield from self._paired(chunk, other)
                chunk = []
        yield from self._paired(chunk, other)

    def _paired(self, rows: Sequence[Item], other: Table) -> Iterator[tuple[Item, Item | None]]:
        wanted = [{name: row[name] for name in self._key} for row in rows]
        by_key = {self._name(row): row for row in other.batch_get(wanted, consistent=True)}
        for row in rows:
            same = by_key.get(self._name(row))
            if same is None and "sortKey" in self._key:
                same = self._in_other_width(other, row)
            yield row, same

    def _name(self, row: Item) -> tuple[str, ...]:
        return tuple(row[name]["S"] for name in self._key)

    def _in_other_width(self, table: Table, row: Item) -> Item | None:
        """The pointer of the same event, whose key has microseconds where this one's has milliseconds, or the reverse."""
        sort_key = row["sortKey"]["S"]
        wanted = keys.id_of(sort_key)
        if not keys.is_of_milliseconds(sort_key):
            key = {"userKey": row["userKey"], "sortKey": {"S": keys.of_milliseconds(sort_key)}}
            return table.get(key, consistent=True)
        pointers = table.query(
            "userKey = :user AND begins_with(sortKey, :millisecond)",
            {":user": row["userKey"], ":millisecond": {"S": keys.millisecond(sort_key)}},
            consistent=True,
        )
        return next((item for item in pointers if keys.id_of(item["sortKey"]["S"]) == wanted), None)

    def _same(self, row: Item, other: Item) -> bool:
        """Whether two rows have the same content. A key in milliseconds is compared to the millisecond only."""
        content, other_content = self._content(row), self._content(other)
        both = (content["sortKey"]["S"], other_content["sortKey"]["S"])
        if any(map(keys.is_of_milliseconds, both)):
            for one in (content, other_content):
                one["sortKey"] = keys.millisecond(one["sortKey"]["S"])
        return content == other_content

    def _is_compared(self, row: Item) -> bool:
        since = row.get("receivedAt") or row.get("projectedAt") or {"S": ""}
        return int(row["expiresAt"]["N"]) > clock.epoch(self._now) and since["S"] < clock.utc_text(self._now)

    def _content(self, row: Item) -> dict[str, Any]:
        """A row's attributes, with the event of its body, where the order of names has no meaning, and without the shard of its type.

        Older pointers repeat what their keys and their event say.
        """
        content: dict[str, Any] = dict(row)
        if "projectedAt" in row:
            content = {name: value for name, value in content.items() if name not in _REPEATED}
        if "typeKey" in row:
            content["typeKey"] = row["typeKey"]["S"].rpartition(keys.SEPARATOR)[0]
        if "body" in row:
            content["body"] = orjson.loads(self._codec.unpack(bytes(row["body"]["B"]), row["dict"]["S"]))
        return content
