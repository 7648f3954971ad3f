"""A table of DynamoDB that answers at once: what is measured over it is our own code. It counts what is read and written."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping
from math import ceil
from typing import Any

READ_UNIT = 4096
_LAST = "\U0010ffff"
# Of a row, beside its part.
_ROW_BYTES = 100


class Held:
    """The Analytics table as counting, folding and reading use it; conditions always hold, because one works at a time.

    Attributes:
        calls: that read.
        units: that strongly consistent reads of these rows take.
        written: rows that were written in batches.
    """

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Mapping[str, Any]]] = {}
        self._sorted: dict[str, list[str]] = {}
        self.calls = self.units = self.written = 0

    def put(self, row: Mapping[str, Any]) -> None:
        """Holds a row in the place of what was there."""
        key, sort = row["metricKey"]["S"], row["tileKey"]["S"]
        rows = self._rows.setdefault(key, {})
        if sort not in rows:
            insort(self._sorted.setdefault(key, []), sort)
        rows[sort] = row

    def batch_write_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803
        for asked in RequestItems.values():
            for one in asked:
                self.put(one["PutRequest"]["Item"])
                self.written += 1
        return {"UnprocessedItems": {}}

    def put_item(self, *, Item: Mapping[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        self.put(Item)
        return {}

    def delete_item(self, *, Key: Mapping[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        key, sort = Key["metricKey"]["S"], Key["tileKey"]["S"]
        if self._rows.get(key, {}).pop(sort, None) is not None:
            self._sorted[key].remove(sort)
        return {}

    def get_item(self, *, Key: Mapping[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        row = self._row(Key)
        self._count([] if row is None else [row])
        return {} if row is None else {"Item": row}

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803
        ((name, asked),) = RequestItems.items()
        found = [row for key in asked["Keys"] if (row := self._row(key)) is not None]
        self._count(found)
        return {"Responses": {name: found}}

    def query(self, *, ExpressionAttributeValues: Mapping[str, Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        """Of a partition the rows from one sort key to another, or those that begin with the only text that is given."""
        given = {name: value["S"] for name, value in ExpressionAttributeValues.items()}
        key = given.pop(":key")
        start = given.get(":from") or next(iter(given.values()), "")
        sorts = self._sorted.get(key, [])
        inside = sorts[bisect_left(sorts, start) : bisect_right(sorts, given.get(":to", f"{start}{_LAST}"))]
        found = [self._rows[key][sort] for sort in inside]
        self._count(found)
        return {"Items": found}

    def _row(self, key: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return self._rows.get(key["metricKey"]["S"], {}).get(key["tileKey"]["S"])

    def _count(self, found: list[Mapping[str, Any]]) -> None:
        self.calls += 1
        held = sum(len(row.get("part", {}).get("B", b"")) + _ROW_BYTES for row in found)
        self.units += ceil(held / READ_UNIT)
