"""The gateway's access log as CloudWatch Logs hands it on, and as it lies in the lake. Pure.

An object holds the lines of one hour of one batch, as NDJSON under gzip: `raw/logs/date=2026-11-30/hour=12/<digest>.json.gz`. Its name
follows from the batch, so a batch that is handed on again is the same objects.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html#LambdaFunctionExample
"""

import base64
import gzip
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from millrace.core.errors import PermanentError
from millrace.core.prefixes import ACCESS_LOGS

# CloudWatch asks whether somebody takes its batches.
_CONTROL = "CONTROL_MESSAGE"
# Of a batch, unpacked: an invocation is 6 MB, and lines repeat themselves.
MOST_BYTES = 64 * 1024 * 1024
SUFFIX = ".json.gz"


def hour_prefix(hour: datetime) -> str:
    """The folder of an hour, UTC."""
    return f"{ACCESS_LOGS}date={hour:%Y-%m-%d}/hour={hour:%H}/"


def objects(event: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """The keys and bodies of the objects of a batch; none of a control message.

    Raises:
        PermanentError: it is no batch of CloudWatch Logs.
    """
    document = _document(event)
    if document["messageType"] == _CONTROL:
        return
    hours: dict[datetime, list[bytes]] = {}
    ids = hashlib.sha256()
    for one in document["logEvents"]:
        at = datetime.fromtimestamp(one["timestamp"] / 1000, UTC)
        hours.setdefault(at.replace(minute=0, second=0, microsecond=0), []).append(_line(one["message"]))
        ids.update(str(one["id"]).encode())
    for hour, lines in hours.items():
        body = gzip.compress(b"\n".join(lines) + b"\n", mtime=0)
        yield f"{hour_prefix(hour)}{ids.hexdigest()[:32]}{SUFFIX}", body


def lines(body: bytes) -> list[bytes]:
    """The lines of an object.

    Raises:
        PermanentError: it cannot be unpacked, or is more than a batch may be.
    """
    try:
        return _unpacked(body).splitlines()
    except (ValueError, zlib.error) as error:
        raise PermanentError(f"this is no object of the access log: {error}") from error


def _document(event: Mapping[str, Any]) -> dict[str, Any]:
    try:
        packed = base64.b64decode(event["awslogs"]["data"], validate=True)
        document = orjson.loads(_unpacked(packed))
        if document["messageType"] != _CONTROL:
            for one in document["logEvents"]:
                _ = one["id"], one["timestamp"] / 1000, str(one["message"])
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise PermanentError(
            f"this is no batch of CloudWatch Logs: {type(error).__name__}: {error}"
        ) from error
    return dict(document)


def _unpacked(packed: bytes) -> bytes:
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    text = unpacking.decompress(packed, MOST_BYTES)
    if unpacking.unconsumed_tail:
        raise ValueError(f"it is more than {MOST_BYTES:,} bytes")
    if not unpacking.eof:
        raise ValueError("it is not whole")
    return text


def _line(message: str) -> bytes:
    """A line of one JSON document; what the gateway could not write as one is kept as text."""
    try:
        return orjson.dumps(orjson.loads(message))
    except ValueError:
        return orjson.dumps({"message": message})
