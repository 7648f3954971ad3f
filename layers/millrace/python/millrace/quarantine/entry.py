"""One refused event as it is kept: in an object of its request, and as an index row that the object can rebuild."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from millrace.core import clock, keys
from millrace.core.prefixes import QUARANTINE

KIND = "quarantine"
# A person who is to be forgotten is so within a month, whatever was refused of theirs.
KEPT_DAYS = 25
SHARD = "0"
_MOMENT_DIGITS = 12
# Whether the users of an entry are all whom it may be about.
ALL, SOME = "all", "some"
# Of a pointer in an index row: it names a client's keys, which may be as long as an event, and a row has 400 KB.
POINTER_LENGTH = 512
_ID = re.compile("[0-9a-f]{36}")


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """A refused event with everything that is needed to repair and replay it."""

    quarantine_id: str
    index: int
    raw: bytes
    errors: tuple[dict[str, str], ...]
    event_id: str | None
    event_type: str | None
    version: str | None
    contract: str | None
    principal: str | None = None
    form: str | None = None  # the media type of `raw`, where that is not JSON as contracts describe it
    # JSON of what every delivery of it says, where a door has filled in `raw`: it decides duplicate or conflict.
    sent: bytes | None = None
    # Ids of users whom it may be about, in memory alone; `whole`: it is about nobody else.
    users: frozenset[str] = frozenset()
    whole: bool = False


def quarantine_id(request_id: str, index: int, received_at: datetime) -> str:
    """36 hex digits: the moment in milliseconds, then a hash of request and index. Its order is time order."""
    moment = clock.epoch_millis(received_at)
    digest = hashlib.sha256(f"{request_id}#{index}".encode()).hexdigest()
    return f"{moment:0{_MOMENT_DIGITS}x}{digest[:24]}"


def moment_of(identifier: str) -> datetime:
    """When the event of a quarantine id was refused.

    Raises:
        ValueError: this is not a quarantine id.
    """
    if _ID.fullmatch(identifier) is None:
        raise ValueError("a quarantine id has 36 hex digits")
    try:
        return clock.from_epoch_millis(int(identifier[:_MOMENT_DIGITS], 16))
    except OverflowError as error:
        raise ValueError("a quarantine id says a moment up to the year 9999") from error


def is_id(text: str) -> bool:
    """Whether a text has the form of a quarantine id."""
    try:
        moment_of(text)
    except ValueError:
        return False
    return True


def first_id(moment: datetime) -> str:
    """The lowest id that an event refused at this moment or later can have; ids say whole milliseconds."""
    up = clock.epoch_millis(moment) + (moment.microsecond % 1000 > 0)
    return f"{max(0, up):0{_MOMENT_DIGITS}x}" + "0" * 24


def object_key(org: str, received_at: datetime, request_id: str) -> str:
    """Where a request's refused events lie in the lake.

    The request's id is hashed, because a gateway's may hold any character; with its moment, because a queue delivers a
    message again under the same id.
    """
    name = hashlib.sha256(f"{request_id}#{clock.epoch_millis(received_at)}".encode()).hexdigest()[:32]
    return f"{QUARANTINE}org={org}/day={clock.day_text(received_at)}/{name}.json"


def to_object(
    org: str,
    request_id: str,
    received_at: datetime,
    source: str,
    entries: list[QuarantineEntry],
    sealed: Callable[[QuarantineEntry], dict[str, Any]],
    mention: Callable[[str], str],
) -> bytes:
    """The object of one request.

    Args:
        org: the tenant.
        request_id: of the request.
        received_at: when it came.
        source: by which way.
        entries: what of it was refused.
        sealed: gives the bytes of an event, encrypted.
        mention: gives what stands for a user's id.
    """
    return orjson.dumps(
        {
            "orgId": org,
            "requestId": request_id,
            "receivedAt": clock.utc_text(received_at),
            "source": source,
            "entries": [
                {
                    "quarantineId": entry.quarantine_id,
                    "index": entry.index,
                    "eventId": entry.event_id,
                    "eventType": entry.event_type,
                    "version": entry.version,
                    "contract": entry.contract,
                    "principal": entry.principal,
                    "form": entry.form,
                    "errors": entry.errors,
                    "users": sorted(map(mention, entry.users)),
                    "named": ALL if entry.whole else SOME,
                    "sealed": sealed(entry),
                }
                for entry in entries
            ],
        }
    )


def to_rows(document: dict[str, Any], key: str) -> list[dict[str, dict[str, Any]]]:
    """The index rows of an object; they hold nothing that the object does not."""
    received_at = clock.parse(document["receivedAt"])
    expires_at = clock.epoch(received_at + timedelta(days=KEPT_DAYS))
    partition = day_key(document["orgId"], clock.day_text(received_at))
    return [_row(entry, document, key, partition, expires_at) for entry in document["entries"]]


def day_key(org: str, day: str) -> str:
    """`org#quarantine#day#shard`."""
    return keys.metadata(org, KIND, day, SHARD)


def bounded(error: dict[str, str]) -> dict[str, str]:
    """An error that fits into an index row."""
    pointer = error["pointer"]
    if len(pointer) <= POINTER_LENGTH:
        return error
    return {**error, "pointer": pointer[: POINTER_LENGTH - 1] + "…"}


def _row(
    entry: dict[str, Any], document: dict[str, Any], key: str, partition: str, expires_at: int
) -> dict[str, dict[str, Any]]:
    row: dict[str, dict[str, Any]] = {
        "entityTypeKey": {"S": partition},
        "entityId": {"S": entry["quarantineId"]},
        "receivedAt": {"S": document["receivedAt"]},
        "source": {"S": document["source"]},
        "object": {"S": key},
        "status": {"S": "open"},
        "errors": {"S": orjson.dumps([bounded(error) for error in entry["errors"]]).decode()},
        "codes": {"SS": sorted({error["code"] for error in entry["errors"]})},
        "expiresAt": {"N": str(expires_at)},
    }
    # Entries of earlier versions say of nobody whom they are about.
    if entry.get("users"):
        row["users"] = {"SS": entry["users"]}
    if "named" in entry:
        row["named"] = {"S": entry["named"]}
    for name in ("eventId", "eventType", "version"):
        if entry[name]:
            row[name] = {"S": entry[name]}
    return row
