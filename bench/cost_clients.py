"""Clients without a network that count what they are asked as AWS bills it."""

import base64
import json
import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from io import StringIO
from time import time
from typing import Any

import orjson
from pynamodb.attributes import Attribute
from pynamodb.models import Model

from bench import edge
from bench.stubs import Network
from cli.costing import rounding
from cli.costing.prices import Usage
from millrace.eventstore import pending, positions
from millrace.eventstore.tables import TABLES

DAY_SECONDS = 86_400
ENVIRON = {
    **edge.ENVIRON,
    "ENVIRONMENT": "dev",
    "USER_EVENTS_TABLE": "UserEvents",
    "ANALYTICS_TABLE": "Analytics",
    "FEATURE_STORE_TABLE": "FeatureStore",
    "FEATURES_BUDGET_MS": "60000",
    "MODELS_TABLE": "MLModels",
    "MODEL_BUDGET_MS": "60000",
    "EVENT_BUS": "millrace-dev",
}


@dataclass(slots=True)
class Recorded:
    """What one invocation asked for. `stored`: by table; `objects`: by prefix of the lake."""

    usage: Usage = field(default_factory=Usage)
    calls: Counter[str] = field(default_factory=Counter)
    stored: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    objects: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    changes: list[bytes] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    log_bytes: int = 0
    cpu_ms: float = 0.0


class Lines(StringIO):
    """Counts what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = 0

    def write(self, text: str) -> int:
        self.written += len(text.encode())
        return len(text)


def _indexes(model: type[Model]) -> list[tuple[str, ...]]:
    """For each index, the attributes of its entries: its own keys and the table's."""
    keys = [a.attr_name for a in model.get_attributes().values() if a.is_hash_key or a.is_range_key]
    indexes = []
    for index in model._indexes.values():
        own = [a.attr_name for a in vars(type(index)).values() if isinstance(a, Attribute)]
        indexes.append(tuple(dict.fromkeys((*own, *keys))))
    return indexes


# Table → the attributes of the entries of each of its indexes.
INDEXES = {model.Meta.table_name: _indexes(model) for model in TABLES}


class Recording(Network):
    """Answers so that handlers go on, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = Lines()
        self._recorded = Recorded()

    def start(self) -> None:
        """Forgets what was before."""
        self._recorded, self.lines.written = Recorded(), 0

    def recorded(self) -> Recorded:
        """What was asked since the start."""
        self._recorded.log_bytes = self.lines.written
        return self._recorded

    def _content(self, operation: str, request: Any) -> tuple[int, bytes]:
        with self._lock:
            self._recorded.calls[operation] += 1
            if operation == "PutObject":
                return self._object(request)
            body = orjson.loads(request.body or b"{}")
            answer = getattr(self, f"_{operation}", None)
            if answer is not None:
                return 200, orjson.dumps(answer(body))
        return super()._content(operation, request)

    def _object(self, request: Any) -> tuple[int, bytes]:
        key = request.url.split("/", 3)[3].split("?")[0]
        body = request.body.read() if hasattr(request.body, "read") else request.body
        held = self._recorded.objects[f"{key.removeprefix('lake/').split('/')[0]}/"]
        held.update({"objects": 1, "bytes": len(body or b"")})
        self._recorded.usage["s3.put"] += 1
        return 200, b""

    def _PutItem(self, body: dict[str, Any]) -> dict[str, Any]:  # noqa: N802  AWS's names
        self._write(body["TableName"], body["Item"])
        return {}

    def _BatchWriteItem(self, body: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        for table, requests in body["RequestItems"].items():
            for one in requests:
                self._write(table, one["PutRequest"]["Item"])
        return {"UnprocessedItems": {}}

    def _UpdateItem(self, body: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        names, values = body["ExpressionAttributeNames"], body["ExpressionAttributeValues"]
        sets = {name: values[f":{alias[1:]}"] for alias, name in names.items() if f":{alias[1:]}" in values}
        item = {**body["Key"], **({"expiresAt": values[":e"]} if ":e" in values else {}), **sets}
        self._recorded.usage["dynamodb.write"] += rounding.write_units(rounding.item_bytes(item))
        return {"Attributes": item}

    def _BatchGetItem(self, body: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        for request in body["RequestItems"].values():
            consistent = bool(request.get("ConsistentRead"))
            self._recorded.usage["dynamodb.read"] += len(request["Keys"]) * rounding.read_units(
                1, consistent=consistent
            )
        return {"Responses": {}, "UnprocessedKeys": {}}

    def _PutRecords(self, body: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        for one in body["Records"]:
            data = base64.b64decode(one["Data"])
            self._recorded.records.append(data)
            self._log(len(data) + len(one["PartitionKey"]))
        answers = [{"SequenceNumber": "1", "ShardId": "shardId-0"}] * len(body["Records"])
        return {"FailedRecordCount": 0, "Records": answers}

    def _PutEvents(self, body: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        for one in body["Entries"]:
            size = len(one["Detail"].encode()) + len(one["Source"]) + len(one["DetailType"]) + 14
            self._recorded.usage["events.put"] += rounding.event_units(size)
        return {"FailedEntryCount": 0, "Entries": [{"EventId": str(uuid.uuid4())}] * len(body["Entries"])}

    def _write(self, table: str, item: dict[str, Any]) -> None:
        size = rounding.item_bytes(item)
        entries = rounding.index_entries(item, INDEXES[table])
        self._recorded.usage["dynamodb.write"] += rounding.write_units(size, entries)
        days = _days(item)
        held = size + rounding.ITEM_OVERHEAD
        in_indexes = sum(entries) + len(entries) * rounding.ITEM_OVERHEAD
        self._recorded.stored[table].update(
            {"rows": 1, "byteDays": round(held * days), "indexByteDays": round(in_indexes * days)}
        )
        if table == "Events":
            self._capture(item, size)

    def _capture(self, item: dict[str, Any], size: int) -> None:
        """The change record that DynamoDB puts into the log for a new row."""
        change = {
            "awsRegion": "us-east-1",
            "eventID": str(uuid.uuid4()),
            "eventName": "INSERT",
            "userIdentity": None,
            "recordFormat": "application/json",
            "tableName": "millrace-dev-storage-EventsTable0A1B2C3D-0A1B2C3D4E5F",
            "dynamodb": {
                "ApproximateCreationDateTime": int(time() * 1000),
                "Keys": {"eventId": item["eventId"]},
                "NewImage": item,
                "SizeBytes": size,
            },
            "eventSource": "aws:dynamodb",
        }
        data = json.dumps(change, separators=(",", ":")).encode()
        self._recorded.changes.append(data)
        self._recorded.usage["dynamodb.change"] += rounding.write_units(size)
        self._log(len(data) + 32)

    def _log(self, size: int) -> None:
        self._recorded.usage["log.size"] += size
        self._recorded.usage["log.payload"] += rounding.payload_units(size)
        self._recorded.usage["log.bytes"] += rounding.on_demand_bytes(size)
        self._recorded.usage["log.records"] += 1


def kept_days(expires: float, now: float) -> float:
    """Days from `now` until `expires`, both in seconds since 1970; what ends with a UTC day has come at that of all hours that is their mean."""
    written = now // DAY_SECONDS * DAY_SECONDS + DAY_SECONDS / 2 if expires % DAY_SECONDS == 0 else now
    return (expires - written) / DAY_SECONDS


def _days(item: dict[str, Any]) -> float:
    """How long a row lies in its table; one that says that a day is pending, until the next hourly run."""
    if item.get("entityTypeKey", {}).get("S", "") == positions.partition():
        # One a shard, written over by each batch.
        return 0.0
    if "expiresAt" in item:
        return kept_days(float(item["expiresAt"]["N"]), time())
    if item.get("entityTypeKey", {}).get("S", "").startswith(f"platform#{pending.ENTITY}#"):
        return 1 / 24
    return 365.0
