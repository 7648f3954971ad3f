"""The few calls of DynamoDB that fraud makes, in memory: for proofs over more transactions than a server would take.

tests/integration/test_memory_table.py holds it to the same answers as moto.
"""

import re
import threading
from collections import Counter
from typing import Any

from botocore.exceptions import ClientError

Row = dict[str, dict[str, Any]]
MOST_BYTES = 400 * 1024
_ADD = re.compile(r"ADD (.*?)(?: REMOVE|$)")
_REMOVE = re.compile(r"REMOVE (.*)$")


class MemoryDynamoDB:
    """Tables by name; `calls` counts what was asked, `failing` answers the next calls of an operation with a throttle."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[tuple[str, ...], Row]] = {}
        self.calls: Counter[str] = Counter()
        self.failing: Counter[str] = Counter()
        self._lock = threading.Lock()

    def put_item(self, *, TableName: str, Item: Row, **_: Any) -> dict[str, Any]:  # noqa: N803
        """A put under the condition that the event is not there."""
        with self._lock:
            self._ask("put_item")
            table = self.tables.setdefault(TableName, {})
            key = (Item["eventId"]["S"],)
            if key in table:
                error = {"Error": {"Code": "ConditionalCheckFailedException"}, "Item": table[key]}
                raise ClientError(error, "PutItem")
            table[key] = Item
            return {}

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        """Rows by key."""
        with self._lock:
            self._ask("batch_get_item")
            found = {}
            for name, asked in RequestItems.items():
                wanted = [_key(key) for key in asked["Keys"]]
                if len(wanted) > 100 or len(set(wanted)) < len(wanted):
                    raise ClientError({"Error": {"Code": "ValidationException"}}, "BatchGetItem")
                assert asked["ConsistentRead"]
                table = self.tables.setdefault(name, {})
                rows = map(table.get, wanted)
                found[name] = [dict(row) for row in rows if row is not None]
            return {"Responses": found, "UnprocessedKeys": {}}

    def update_item(
        self,
        *,
        TableName: str,  # noqa: N803
        Key: Row,  # noqa: N803
        UpdateExpression: str,  # noqa: N803
        ExpressionAttributeValues: Row,  # noqa: N803
        ExpressionAttributeNames: dict[str, str] | None = None,  # noqa: N803
        ReturnValues: str = "NONE",  # noqa: N803
    ) -> dict[str, Any]:
        """SET expiresAt, ADD to binary sets, REMOVE attributes."""
        with self._lock:
            self._ask("update_item")
            assert len(UpdateExpression) <= 4096
            table = self.tables.setdefault(TableName, {})
            row = dict(table.get(_key(Key), Key))
            names = ExpressionAttributeNames or {}
            row["expiresAt"] = ExpressionAttributeValues[":e"]
            updated = ["expiresAt"]
            if match := _ADD.search(UpdateExpression):
                for clause in match[1].split(","):
                    alias, value = clause.split()
                    old = row.get(names[alias], {"BS": []})["BS"]
                    row[names[alias]] = {
                        "BS": list(dict.fromkeys([*old, *ExpressionAttributeValues[value]["BS"]]))
                    }
                    updated.append(names[alias])
            if match := _REMOVE.search(UpdateExpression):
                for alias in match[1].split(","):
                    row.pop(names[alias], None)
            if size_of(row) > MOST_BYTES:
                message = "Item size to update has exceeded the maximum allowed size"
                raise ClientError(
                    {"Error": {"Code": "ValidationException", "Message": message}}, "UpdateItem"
                )
            table[_key(Key)] = row
            match ReturnValues:
                case "ALL_NEW":
                    return {"Attributes": dict(row)}
                case "UPDATED_NEW":
                    return {"Attributes": {name: row[name] for name in updated}}
            return {}

    def _ask(self, operation: str) -> None:
        self.calls[operation] += 1
        if self.failing[operation]:
            self.failing[operation] -= 1
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, operation)


def size_of(row: Row) -> int:
    """Bytes of an item as DynamoDB counts them: names and values, and a few for each set and element.

    Source: Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats".
    """
    size = 0
    for name, held in row.items():
        ((kind, value),) = held.items()
        parts = value if kind == "BS" else [value]
        size += len(name) + sum(len(part) + 1 for part in parts) + 3
    return size


def _key(row: Row) -> tuple[str, ...]:
    return tuple(row[name]["S"] for name in ("featureKey", "sortKey"))
