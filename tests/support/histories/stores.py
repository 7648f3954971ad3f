"""Tables and lake in memory, as far as intake, archive and projection use them; calls can be made to fail."""

import threading
from typing import Any

from botocore.exceptions import ClientError

Row = dict[str, dict[str, Any]]
KEYS = {
    "Events": ("eventId",),
    "UserEvents": ("userKey", "sortKey"),
    "Metadata": ("entityTypeKey", "entityId"),
    "Analytics": ("metricKey", "tileKey"),
}


class Stores:
    """DynamoDB and S3 as one client. `failing` counts down: the calls until then fail, having taken effect or not."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[tuple[str, ...], Row]] = {name: {} for name in KEYS}
        self.objects: dict[str, bytes] = {}
        self.inserted: list[Row] = []
        self.failing = 0
        self.took_effect = False
        self._lock = threading.Lock()

    def put_item(self, *, TableName: str, Item: Row, **_: Any) -> dict[str, Any]:  # noqa: N803
        """A put under the condition that the key is not there; an insert is a record of the table's stream."""
        lost = self._lost()
        with self._lock:
            table, key = self.tables[TableName], self._key(TableName, Item)
            if lost is not None and not self.took_effect:
                raise lost
            if key in table:
                raise ClientError(
                    {"Error": {"Code": "ConditionalCheckFailedException"}, "Item": table[key]}, "PutItem"
                )
            table[key] = Item
            self.inserted.append(Item)
        if lost is not None:
            raise lost
        return {}

    def batch_write_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        """Puts, each replacing what is there."""
        lost = self._lost()
        if lost is None or self.took_effect:
            for name, asked in RequestItems.items():
                assert 0 < len(asked) <= 25
                for one in asked:
                    item = one["PutRequest"]["Item"]
                    self.tables[name][self._key(name, item)] = item
        if lost is not None:
            raise lost
        return {"UnprocessedItems": {}}

    def put_object(self, *, Key: str, Body: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803
        """An object of the lake."""
        lost = self._lost()
        if lost is None or self.took_effect:
            self.objects[Key] = Body
        if lost is not None:
            raise lost
        return {}

    def expire(self, epoch: int) -> int:
        """Removes the rows whose time is over and says how many; the removal is not an event."""
        events = self.tables["Events"]
        over = [key for key, row in events.items() if int(row["expiresAt"]["N"]) <= epoch]
        for key in over:
            del events[key]
        return len(over)

    def _lost(self) -> ClientError | None:
        if self.failing <= 0:
            return None
        self.failing -= 1
        return ClientError({"Error": {"Code": "InternalServerError"}}, "Any")

    @staticmethod
    def _key(table: str, item: Row) -> tuple[str, ...]:
        return tuple(item[name]["S"] for name in KEYS[table])
