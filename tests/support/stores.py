"""DynamoDB and S3 in memory, as boto3 clients: for tests of `Table` and `Objects` that need no server.

They replace the client and not the port: so every test runs the port's own code, and code that takes a client (a handler
that makes its own, a wrapper of a test) works with them as well. They know the platform's tables and indexes, evaluate the
expressions that the platform uses, refuse what DynamoDB and S3 refuse, and answer in pages.
tests/integration/test_store_ports.py holds them to the same behaviour as moto and the emulator.

Faults: `failing["put_item"] = 2` fails the next two calls of an operation (`failing["*"]`: of any operation), an operation
in `down` always fails. `fault` is the error code, or the exception, of these failures; with `took_effect` a failing call
has done its work before. `leaving` holds, for each of the next batch calls, how many keys or items it leaves unprocessed.
`calls` counts calls by operation.
"""

import io
import re
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from botocore.response import StreamingBody

from millrace.eventstore.tables import TABLES
from tests.support.expressions import Row, checked, condition, means, plain, projected, refuse, update

Key = tuple[str, ...]
# DynamoDB's limits in bytes: of an item, of a partition key and of a sort key.
ITEM, HASH_KEY, RANGE_KEY = 400 * 1024, 2048, 1024
_EQUAL = re.compile(r"([#\w]+)\s*=\s*(:\w+)")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class _Client:
    """What both have: one lock, counts, faults."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.failing: Counter[str] = Counter()
        self.down: set[str] = set()
        self.fault: str | Exception = "ThrottlingException"
        self.took_effect = False
        self._lock = threading.RLock()

    def _fails(self, operation: str) -> bool:
        self.calls[operation] += 1
        for name in (operation, "*"):
            if self.failing[name] > 0:
                self.failing[name] -= 1
                return True
        return operation in self.down


def _operation(work: Callable[..., Any]) -> Callable[..., Any]:
    """A call of the service: alone under the lock, counted, and failing where it is told to."""

    @wraps(work)
    def call(self: _Client, **request: Any) -> Any:
        with self._lock:
            fails = self._fails(work.__name__)
            answer = None if fails and not self.took_effect else work(self, **request)
            if fails and isinstance(self.fault, Exception):
                raise self.fault
            if fails:
                refuse(str(self.fault))
            return answer

    return call


@dataclass(frozen=True, slots=True)
class Schema:
    """The key attributes of a table, and of each of its indexes; these carry keys only."""

    key: Key
    indexes: Mapping[str, Key]


def _schemas() -> dict[str, Schema]:
    schemas = {}
    for model in TABLES:
        said = model._get_schema()
        indexes = {one["index_name"]: _names(one) for one in said["global_secondary_indexes"]}
        schemas[model.Meta.table_name] = Schema(_names(said), indexes)
    return schemas


def _names(values: Mapping[str, Any]) -> Key:
    # HASH stands before RANGE.
    return tuple(one["AttributeName"] for one in sorted(values["key_schema"], key=lambda one: one["KeyType"]))


SCHEMAS = _schemas()


class MemoryDynamoDB(_Client):
    """The tables by name, each with its rows by key; `page_items` bounds every page of a query or a scan.

    `like` gives more tables: each name with the one of the seven whose keys it has.
    """

    def __init__(self, like: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.schemas = {**SCHEMAS, **{name: SCHEMAS[one] for name, one in (like or {}).items()}}
        self.tables: dict[str, dict[Key, Row]] = defaultdict(dict)
        self.page_items: int | None = None
        self.leaving: deque[int] = deque()

    def changed(self, table: str, old: Row | None, new: Row | None) -> None:
        """Called for each write that took effect, as a table's stream tells it; for subclasses."""

    @_operation
    def get_item(self, *, TableName: str, Key: Row, **how: Any) -> dict[str, Any]:  # noqa: N803
        row = self._table(TableName).get(self._key(TableName, Key, whole=True))
        return {} if row is None else {"Item": projected(row, how)}

    @_operation
    def put_item(self, *, TableName: str, Item: Row, **how: Any) -> dict[str, Any]:  # noqa: N803
        return self._write(TableName, Item, lambda _: dict(Item), how, "Item size has exceeded the maximum")

    @_operation
    def update_item(
        self,
        *,
        TableName: str,  # noqa: N803
        Key: Row,  # noqa: N803
        UpdateExpression: str,  # noqa: N803
        **how: Any,
    ) -> dict[str, Any]:
        if len(UpdateExpression) > 4096:
            refuse("ValidationException", "Expression size has exceeded the maximum allowed size")
        change = update(UpdateExpression)
        how = {**how, "UpdateExpression": UpdateExpression}

        def apply(old: Row | None) -> Row:
            names = how.get("ExpressionAttributeNames", {})
            return change({**Key, **(old or {})}, names, how.get("ExpressionAttributeValues", {}))

        full = "Item size to update has exceeded the maximum"
        return self._write(TableName, Key, apply, how, full)

    @_operation
    def delete_item(self, *, TableName: str, Key: Row, **how: Any) -> dict[str, Any]:  # noqa: N803
        return self._write(TableName, Key, lambda _: None, how, "")

    @_operation
    def query(self, *, TableName: str, KeyConditionExpression: str, **how: Any) -> dict[str, Any]:  # noqa: N803
        checked({**how, "KeyConditionExpression": KeyConditionExpression})
        schema, index = self._schema(TableName), how.get("IndexName")
        if index is not None and how.get("ConsistentRead"):
            refuse("ValidationException", "Consistent reads are not supported on global secondary indexes")
        names, values = means(how)
        wanted, order = condition(KeyConditionExpression), schema.indexes[index] if index else schema.key
        # The partition first: the condition is evaluated for its rows and not for all of a table.
        equal = {
            names.get(name, name): values[value] for name, value in _EQUAL.findall(KeyConditionExpression)
        }
        held = list(self._table(TableName).values())
        if order[0] in equal:
            held = [row for row in held if row.get(order[0]) == equal[order[0]]]
        rows = [row for row in held if wanted(row, names, values)]
        if index:
            kept = {*schema.key, *order}
            rows = [
                {name: row[name] for name in kept if name in row} for row in rows if row.keys() >= {*order}
            ]
        return self._page(rows, (*order, *schema.key), how, backwards=how.get("ScanIndexForward") is False)

    @_operation
    def scan(self, *, TableName: str, **how: Any) -> dict[str, Any]:  # noqa: N803
        checked(how)
        rows = list(self._table(TableName).values())
        return self._page(rows, self._schema(TableName).key, how, backwards=False)

    @_operation
    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803
        responses: dict[str, list[Row]] = {}
        unprocessed: dict[str, Any] = {}
        for name, request in RequestItems.items():
            wanted = {self._key(name, key, whole=True): key for key in request["Keys"]}
            if not 0 < len(wanted) <= 100 or len(wanted) < len(request["Keys"]):
                refuse("ValidationException", "1 to 100 keys, each once")
            now, later = self._halves(list(wanted))
            rows = map(self._table(name).get, now)
            responses[name] = [projected(row, request) for row in rows if row is not None]
            if later:
                unprocessed[name] = {**request, "Keys": [wanted[key] for key in later]}
        return {"Responses": responses, "UnprocessedKeys": unprocessed}

    @_operation
    def batch_write_item(self, *, RequestItems: Mapping[str, Sequence[Any]]) -> dict[str, Any]:  # noqa: N803
        unprocessed: dict[str, Any] = {}
        for name, asked in RequestItems.items():
            keys = [
                self._key(
                    name, one["PutRequest"]["Item"] if "PutRequest" in one else one["DeleteRequest"]["Key"]
                )
                for one in asked
            ]
            if not 0 < len(asked) <= 25 or len(set(keys)) < len(asked):
                refuse("ValidationException", "1 to 25 items, each key once")
            now, later = self._halves(list(asked))
            items = [one.get("PutRequest", {}).get("Item") for one in now]
            for item in items:
                if item is not None:
                    self._check(name, item, "Item size has exceeded the maximum")
            for key, item in zip(keys, items, strict=False):
                self._store(name, key, None if item is None else dict(item))
            if later:
                unprocessed[name] = later
        return {"UnprocessedItems": unprocessed}

    @_operation
    def transact_write_items(self, *, TransactItems: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803
        work = {"Put": self.put_item, "Update": self.update_item, "Delete": self.delete_item}
        asked = [(kind, request) for action in TransactItems for kind, request in action.items()]
        places = [
            (one["TableName"], self._key(one["TableName"], one.get("Item") or one["Key"])) for _, one in asked
        ]
        if not 0 < len(asked) <= 100 or len(set(places)) < len(places):
            refuse("ValidationException", "1 to 100 actions, each on another item")
        held = [
            self._holds(self._table(name).get(key), one)
            for (name, key), (_, one) in zip(places, asked, strict=True)
        ]
        if not all(held):
            reasons = [{"Code": "None" if one else "ConditionalCheckFailed"} for one in held]
            refuse("TransactionCanceledException", CancellationReasons=reasons)
        for kind, request in asked:
            work[kind].__wrapped__(self, **request)  # type: ignore[attr-defined]
        return {}

    def _write(
        self,
        name: str,
        place: Row,
        change: Callable[[Row | None], Row | None],
        how: Mapping[str, Any],
        full: str,
    ) -> dict[str, Any]:
        checked(how)
        key = self._key(name, place)
        old = self._table(name).get(key)
        if not self._holds(old, how):
            told: dict[str, Any] = {}
            if old is not None and how.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD":
                told["Item"] = dict(old)
            refuse("ConditionalCheckFailedException", **told)
        new = change(old)
        if new is not None:
            self._check(name, new, full)
        self._store(name, key, new)
        match how.get("ReturnValues", "NONE"):
            case "ALL_NEW":
                return {"Attributes": dict(new or {})}
            case "UPDATED_NEW":
                touched = set(re.findall(r"[#\w]+", how["UpdateExpression"]))
                names = how.get("ExpressionAttributeNames", {})
                named = {names.get(one, one) for one in touched}
                return {"Attributes": {one: held for one, held in (new or {}).items() if one in named}}
            case "ALL_OLD":
                return {} if old is None else {"Attributes": dict(old)}
        return {}

    def _store(self, name: str, key: Key, new: Row | None) -> None:
        table = self._table(name)
        old = table.get(key)
        if new is not None:
            table[key] = new
        else:
            table.pop(key, None)
        self.changed(name, old, new)

    def _holds(self, row: Row | None, how: Mapping[str, Any]) -> bool:
        expression = how.get("ConditionExpression")
        return expression is None or condition(expression)(row or {}, *means(how))

    def _page(
        self, rows: list[Row], order: Key, how: Mapping[str, Any], *, backwards: bool
    ) -> dict[str, Any]:
        names, values = means(how)
        place: Callable[[Row], Key] = lambda row: tuple(plain(row[name]) for name in order)  # noqa: E731
        rows.sort(key=place, reverse=backwards)
        if start := how.get("ExclusiveStartKey"):
            behind = place(start)
            rows = [row for row in rows if (place(row) < behind if backwards else place(row) > behind)]
        most = min(how.get("Limit") or len(rows) + 1, self.page_items or len(rows) + 1)
        page = rows[:most]
        # A page that is full may be the last: only the next one, which is empty then, says so.
        last = {"LastEvaluatedKey": {name: page[-1][name] for name in order}} if len(page) == most else {}
        if filtered := how.get("FilterExpression"):
            page = [row for row in page if condition(filtered)(row, names, values)]
        return {"Items": [projected(row, how) for row in page], "Count": len(page), **last}

    def _halves(self, requests: list[Any]) -> tuple[list[Any], list[Any]]:
        """What is done now, and what is left unprocessed."""
        left = min(self.leaving.popleft(), len(requests)) if self.leaving else 0
        return requests[: len(requests) - left], requests[len(requests) - left :]

    def _schema(self, name: str) -> Schema:
        if name not in self.schemas:
            refuse("ResourceNotFoundException", name)
        return self.schemas[name]

    def _table(self, name: str) -> dict[Key, Row]:
        self._schema(name)
        return self.tables[name]

    def _key(self, name: str, row: Row, *, whole: bool = False) -> Key:
        names = self._schema(name).key
        if not row.keys() >= set(names) or (whole and len(row) > len(names)):
            refuse("ValidationException", "The provided key element does not match the schema")
        return tuple(plain(row[one]) for one in names)

    def _check(self, name: str, row: Row, full: str) -> None:
        schema = self._schema(name)
        for names in (schema.key, *schema.indexes.values()):
            for one, most in zip(names, (HASH_KEY, RANGE_KEY), strict=False):
                if one in row and not 0 < len(plain(row[one]).encode()) <= most:
                    refuse("ValidationException", f"{one} is empty, or longer than {most} bytes")
        if size_of(row) > ITEM:
            refuse("ValidationException", f"{full} allowed size")


class MemoryS3(_Client):
    """One bucket, whatever its name: bytes by key. Beside them what was said when each was put, and when that was."""

    def __init__(self, now: Callable[[], datetime] = lambda: LONG_AGO) -> None:
        super().__init__()
        self.objects: dict[str, bytes] = {}
        self.modified: dict[str, datetime] = {}
        self.described: dict[str, dict[str, Any]] = {}
        self.page_keys = 1000
        self._now = now

    @_operation
    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **how: Any) -> dict[str, Any]:  # noqa: N803
        if not 0 < len(Key.encode()) <= 1024:
            refuse("KeyTooLongError")
        if how.pop("IfNoneMatch", None) == "*" and Key in self.objects:
            refuse("PreconditionFailed")
        self.objects[Key], self.modified[Key], self.described[Key] = bytes(Body), self._now(), how
        return {}

    @_operation
    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        if Key not in self.objects:
            refuse("NoSuchKey")
        body = self.objects[Key]
        return {**self._head(Key), "Body": StreamingBody(io.BytesIO(body), len(body))}

    @_operation
    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        return self._head(Key) if Key in self.objects else refuse("404")

    @_operation
    def list_objects_v2(
        self,
        *,
        Bucket: str,  # noqa: N803
        Prefix: str = "",  # noqa: N803
        StartAfter: str = "",  # noqa: N803
        Delimiter: str = "",  # noqa: N803
        MaxKeys: int = 1000,  # noqa: N803
        ContinuationToken: str = "",  # noqa: N803
    ) -> dict[str, Any]:
        names: dict[str, None] = {}
        for key in sorted(self.objects):
            if key.startswith(Prefix) and key > StartAfter:
                rest, cut, _ = key.removeprefix(Prefix).partition(Delimiter) if Delimiter else (key, "", "")
                names[f"{Prefix}{rest}{cut}" if cut else key] = None
        left = [name for name in names if name > ContinuationToken]
        most = min(MaxKeys, self.page_keys)
        page = left[:most]
        folders = [{"Prefix": name} for name in page if name not in self.objects]
        listed = [
            {"Key": name, "Size": len(self.objects[name]), "LastModified": self.modified.get(name, LONG_AGO)}
            for name in page
            if name in self.objects
        ]
        answer: dict[str, Any] = {"KeyCount": len(page), "IsTruncated": len(left) > most}
        # S3 leaves out what there is none of.
        if listed:
            answer["Contents"] = listed
        if folders:
            answer["CommonPrefixes"] = folders
        if answer["IsTruncated"]:
            answer["NextContinuationToken"] = page[-1]
        return answer

    @_operation
    def copy_object(self, *, Bucket: str, Key: str, CopySource: Mapping[str, str]) -> dict[str, Any]:  # noqa: N803
        source = CopySource["Key"]
        if source not in self.objects:
            refuse("NoSuchKey")
        self.objects[Key], self.modified[Key] = self.objects[source], self._now()
        self.described[Key] = self.described.get(source, {})
        return {}

    @_operation
    def delete_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        self._forget(Key)
        return {}

    @_operation
    def delete_objects(self, *, Bucket: str, Delete: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803
        if not 0 < len(Delete["Objects"]) <= 1000:
            refuse("MalformedXML")
        for one in Delete["Objects"]:
            self._forget(one["Key"])
        return {}

    @_operation
    def list_object_versions(
        self,
        *,
        Bucket: str,  # noqa: N803
        Prefix: str = "",  # noqa: N803
        KeyMarker: str = "",  # noqa: N803
        VersionIdMarker: str = "",  # noqa: N803
    ) -> dict[str, Any]:
        """As of a bucket that keeps no older versions."""
        left = [key for key in sorted(self.objects) if key.startswith(Prefix) and key > KeyMarker]
        page = left[: self.page_keys]
        answer: dict[str, Any] = {"IsTruncated": len(left) > len(page)}
        if page:
            answer["Versions"] = [{"Key": key, "VersionId": "null", "IsLatest": True} for key in page]
        if answer["IsTruncated"]:
            answer |= {"NextKeyMarker": page[-1], "NextVersionIdMarker": "null"}
        return answer

    def generate_presigned_url(self, operation: str, *, Params: Mapping[str, str], ExpiresIn: int) -> str:  # noqa: N803
        return f"memory://{Params['Bucket']}/{Params['Key']}?{operation}&{ExpiresIn}"

    def _head(self, key: str) -> dict[str, Any]:
        said = self.described.get(key, {})
        return {
            "ContentLength": len(self.objects[key]),
            "LastModified": self.modified.get(key, LONG_AGO),
            "Metadata": said.get("Metadata", {}),
        }

    def _forget(self, key: str) -> None:
        for kept in (self.objects, self.modified, self.described):
            kept.pop(key, None)


class MemoryStores(MemoryDynamoDB, MemoryS3):
    """Both as one client."""


def size_of(row: Mapping[str, Mapping[str, Any]]) -> int:
    """Bytes of an item as DynamoDB counts them: names and values, and a few for each set and element.

    Source: Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats".
    """
    size = 0
    for name, held in row.items():
        ((kind, value),) = held.items()
        if kind == "M":
            size += len(name) + 3 + len(value) + size_of(value)
            continue
        if kind in {"BOOL", "NULL"}:
            size += len(name) + 1
            continue
        parts = value if kind in {"SS", "NS", "BS"} else [value]
        encoded = parts if kind in {"B", "BS"} else map(str.encode, parts)
        size += len(name) + 3 + len(parts) + sum(map(len, encoded))
    return size
