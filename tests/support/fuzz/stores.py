"""AWS as far as intake uses it, in memory: what it refuses, and what it cannot do now."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

Row = Mapping[str, Mapping[str, Any]]
# DynamoDB's limits in bytes.
ROW, HASH_KEY, RANGE_KEY = 400 * 1024, 2048, 1024
HASH_KEYS = frozenset({"typeKey", "userKey", "correlationKey", "entityKey", "entityTypeKey"})
RANGE_KEYS = frozenset({"sortKey", "entityId"})


@dataclass
class Stores:
    """DynamoDB, S3, Kinesis and KMS as one client; `down` holds the operations that fail now."""

    rows: dict[str, Row] = field(default_factory=dict)
    index: dict[str, Row] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    records: int = 0
    down: frozenset[str] = frozenset()
    calls: Counter[str] = field(default_factory=Counter)

    def put_item(self, **call: Any) -> dict[str, Any]:
        """The first write of an event id wins; a key row of a tenant is always new."""
        self._begin("put_item")
        row = call["Item"]
        _check(row)
        if "eventId" not in row:
            return {}
        stored = self.rows.setdefault(row["eventId"]["S"], row)
        if stored is not row:
            raise _error("ConditionalCheckFailedException", Item=stored)
        return {}

    def get_item(self, **_: Any) -> dict[str, Any]:
        """No tenant has a key yet."""
        self._begin("get_item")
        return {}

    def batch_get_item(self, **call: Any) -> dict[str, Any]:
        """Nobody is known."""
        self._begin("batch_get_item")
        return {"Responses": {name: [] for name in call["RequestItems"]}}

    def generate_data_key(self, **call: Any) -> dict[str, Any]:
        """A key."""
        self._begin("generate_data_key")
        return {"CiphertextBlob": b"wrapped", "Plaintext": b"k" * call["NumberOfBytes"]}

    def put_object(self, **call: Any) -> dict[str, Any]:
        """An object of the lake."""
        self._begin("put_object")
        assert isinstance(call["Body"], bytes)
        assert 0 < len(call["Key"].encode()) <= 1024
        self.objects[call["Key"]] = call["Body"]
        return {}

    def batch_write_item(self, **call: Any) -> dict[str, Any]:
        """Rows of Metadata."""
        self._begin("batch_write_item")
        for request in call["RequestItems"].values():
            assert 0 < len(request) <= 25
            for one in request:
                row = one["PutRequest"]["Item"]
                _check(row)
                self.index[row["entityId"]["S"]] = row
        return {}

    def put_records(self, **call: Any) -> dict[str, Any]:
        """Records of the log."""
        self._begin("put_records")
        assert 0 < len(call["Records"]) <= 500
        for record in call["Records"]:
            assert len(record["Data"]) <= 10 * 1024 * 1024
            assert 0 < len(record["PartitionKey"]) <= 256
        self.records += len(call["Records"])
        return {"Records": [{"SequenceNumber": "1"}] * len(call["Records"])}

    def _begin(self, operation: str) -> None:
        self.calls[operation] += 1
        if operation in self.down:
            raise _error("InternalServerError")


def _check(row: Row) -> None:
    """What DynamoDB would refuse with a ValidationException, or boto3 before it."""
    size = 0
    for name, held in row.items():
        ((kind, value),) = held.items()
        length = _bytes(kind, value)
        size += len(name) + length
        assert name not in HASH_KEYS or 0 < length <= HASH_KEY, (name, length)
        assert name not in RANGE_KEYS or 0 < length <= RANGE_KEY, (name, length)
    assert size <= ROW, size
    if "eventId" in row and "entityId" not in row:
        assert 0 < len(row["eventId"]["S"].encode()) <= HASH_KEY


def _bytes(kind: str, value: Any) -> int:
    match kind:
        case "S":
            assert isinstance(value, str)
            return len(value.encode())
        case "N":
            assert isinstance(value, str)
            return len(str(int(value)))
        case "SS":
            assert value
            assert len(set(value)) == len(value)
            return sum(len(one.encode()) for one in value)
        case "B":
            assert isinstance(value, bytes)
            return len(value)
    raise AssertionError(f"no attribute of kind {kind} is written here")


def _error(code: str, **more: Any) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}, **more}, "Any")
