"""AWS without a network: clients that serialise, sign and parse as ever, and answer from here."""

import base64
import io
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from botocore.awsrequest import AWSResponse

Stored = Literal["nothing", "same", "other"]
_KEY = base64.b64encode(b"k" * 32).decode()


class _Raw(io.BytesIO):
    def stream(self, *_: object) -> Iterator[bytes]:
        yield self.read()


@dataclass(slots=True)
class Network:
    """Answers calls and counts them.

    Attributes:
        calls: how often each operation was called.
        seconds: how long an answer takes; sleeping costs no CPU but lets calls overlap.
        most: the largest number of calls that were under way at once.
        stored: what stands in the way of every put of an event: nothing, the same event, or another under its id.
    """

    seconds: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)
    most: int = 0
    stored: Stored = "nothing"
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def attach(self, client: Any) -> Any:
        """The client, without a network from now on."""
        client.meta.events.register("before-send", self._answer)
        return client

    def _answer(self, request: Any, event_name: str, **_: object) -> AWSResponse:
        service, operation = event_name.split(".")[1:3]
        with self._lock:
            self.calls[f"{service}.{operation}"] += 1
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        if self.seconds:
            time.sleep(self.seconds)
        with self._lock:
            self._under_way -= 1
        status, content = self._content(operation, request)
        return AWSResponse(request.url, status, {"x-amzn-requestid": "bench"}, _Raw(content))

    def _content(self, operation: str, request: Any) -> tuple[int, bytes]:
        match operation:
            case "PutRecords":
                records = [{"SequenceNumber": "1", "ShardId": "shardId-0"}] * len(
                    orjson.loads(request.body)["Records"]
                )
                return 200, orjson.dumps({"FailedRecordCount": 0, "Records": records})
            case "GenerateDataKey":
                return 200, orjson.dumps({"CiphertextBlob": _KEY, "Plaintext": _KEY, "KeyId": "key"})
            case "PutItem" if self.stored != "nothing" and b"attribute_not_exists(eventId)" in request.body:
                item = {**orjson.loads(request.body)["Item"], "requestId": {"S": "an earlier one"}}
                if self.stored == "other":
                    item["fingerprint"] = {"B": "AAAA"}
                name = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"
                return 400, orjson.dumps({"__type": name, "message": "taken", "Item": item})
            case "BatchGetItem":
                return 200, orjson.dumps({"Responses": {}, "UnprocessedKeys": {}})
            case "PutObject":
                return 200, b""
            case _:
                return 200, b"{}"
