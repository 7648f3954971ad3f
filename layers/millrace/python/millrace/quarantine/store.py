"""Quarantine in the lake and in Metadata: one object a request, an index row an event."""

import base64
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from millrace.core import clock, keys
from millrace.core.batch import write_all
from millrace.core.errors import error_code, from_client_error
from millrace.quarantine import entry as entries
from millrace.quarantine.entry import Entry

# Of one value in an audit row, such as a patch.
AUDITED_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Filter:
    """Which refused events are asked for; `after` is the last id of the page before."""

    since: datetime
    until: datetime  # exclusive
    event_type: str | None = None
    code: str | None = None
    after: str | None = None
    status: str | None = None
    only: str | None = None  # one id


@dataclass(frozen=True, slots=True)
class Refusal:
    """An open refused event with its bytes."""

    quarantine_id: str
    raw: bytes
    principal: str | None = None


class QuarantineStore:
    """Keeps and finds refused events. A tenant reaches its own and no other's."""

    def __init__(self, dynamodb: Any, s3: Any, metadata_table: str, bucket: str) -> None:
        self._dynamodb, self._s3 = dynamodb, s3
        self._table, self._bucket = metadata_table, bucket

    def keep(
        self, org: str, request_id: str, received_at: datetime, source: str, refused: list[Entry]
    ) -> None:
        """Stores the refused events of one request: first the object, then the rows that find it.

        Raises:
            MillraceError: they are not stored; the caller must not answer that they are.
        """
        key = entries.object_key(org, received_at, request_id)
        document = entries.to_object(org, request_id, received_at, source, refused)
        try:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=document, ContentType="application/json")
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, "keep refused events") from error
        write_all(self._dynamodb, self._table, entries.to_rows(orjson.loads(document), key))

    def find(self, org: str, wanted: Filter, limit: int) -> list[dict[str, Any]]:
        """Refused events, newest first, at most `limit`.

        Raises:
            MillraceError: the table did not answer.
        """
        return [_public(row) for row in self._newest(org, wanted, limit)]

    def open(self, org: str, wanted: Filter, limit: int) -> list[Refusal]:
        """Open refused events with their bytes, newest first, at most `limit`.

        Raises:
            MillraceError: table or lake did not answer.
        """
        rows = self._newest(org, replace(wanted, status="open"), limit)
        kept: dict[str, dict[str, Any]] = {}
        for key in dict.fromkeys(row["object"]["S"] for row in rows):
            kept.update(self._entries_of(key))
        found = [(row["entityId"]["S"], kept.get(row["entityId"]["S"])) for row in rows]
        return [
            Refusal(name, base64.b64decode(one["raw"]), one.get("principal")) for name, one in found if one
        ]

    def mark(self, org: str, refusals: Sequence[Refusal], status: str, principal: str) -> int:
        """Closes open refusals; returns how many were open still.

        Raises:
            MillraceError: the table did not answer.
        """
        return sum(self._close(org, refusal.quarantine_id, status, principal) for refusal in refusals)

    def discard(self, org: str, wanted: Filter, limit: int, principal: str) -> tuple[int, int, bool]:
        """Closes what matches, at most `limit`: how many matched, how many are discarded now, whether others are left.

        Raises:
            MillraceError: the table did not answer.
        """
        found = self._newest(org, replace(wanted, status="open"), limit + 1)
        rows = found[:limit]
        closed = sum(self._close(org, row["entityId"]["S"], "discarded", principal) for row in rows)
        return len(rows), closed, len(found) > len(rows)

    def audit(
        self, org: str, action: str, principal: str, request_id: str, detail: Mapping[str, Any]
    ) -> None:
        """Writes up who did what to the quarantine.

        Raises:
            MillraceError: the table did not take it.
        """
        moment = clock.utc_text(clock.now())
        item = {
            "entityTypeKey": {"S": keys.metadata(org, "audit", moment[:10])},
            "entityId": {"S": keys.join(moment, request_id)},
            "action": {"S": f"quarantine.{action}"},
            "principal": {"S": principal},
            "detail": {"S": orjson.dumps({name: _bounded(value) for name, value in detail.items()}).decode()},
        }
        write_all(self._dynamodb, self._table, [item])

    def _newest(self, org: str, wanted: Filter, limit: int) -> list[dict[str, Any]]:
        if wanted.only is not None:
            wanted = _on_its_day(wanted, wanted.only)
        found: list[dict[str, Any]] = []
        for day in _days_back(wanted):
            for row in self._rows(org, day, wanted):
                if wanted.only is not None and row["entityId"]["S"] != wanted.only:
                    continue
                found.append(row)
                if len(found) == limit:
                    return found
        return found

    def _close(self, org: str, identifier: str, status: str, principal: str) -> bool:
        day = clock.utc_day(entries.moment_of(identifier)).isoformat()
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"entityTypeKey": {"S": entries.day_key(org, day)}, "entityId": {"S": identifier}},
                UpdateExpression="SET #status = :status, closedAt = :now, closedBy = :principal",
                ConditionExpression="#status = :open",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":status": {"S": status},
                    ":open": {"S": "open"},
                    ":now": {"S": clock.utc_text(clock.now())},
                    ":principal": {"S": principal},
                },
            )
        except (ClientError, BotoCoreError) as error:
            if error_code(getattr(error, "response", {})) == "ConditionalCheckFailedException":
                return False
            raise from_client_error(error, "close refused event") from error
        return True

    def _entries_of(self, key: str) -> dict[str, dict[str, Any]]:
        """The refused events of an object, by quarantine id; none where the object is gone before its rows."""
        try:
            stored = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if error_code(getattr(error, "response", {})) == "NoSuchKey":
                return {}
            raise from_client_error(error, "read refused events") from error
        return {kept["quarantineId"]: kept for kept in orjson.loads(stored)["entries"]}

    def get(self, org: str, identifier: str) -> dict[str, Any] | None:
        """One refused event with `raw` as text (`rawBase64` beside it where it is no UTF-8), or None.

        Raises:
            MillraceError: table or lake did not answer.
        """
        try:
            day = clock.utc_day(entries.moment_of(identifier)).isoformat()
        except (ValueError, OverflowError):
            return None
        key = {"entityTypeKey": {"S": entries.day_key(org, day)}, "entityId": {"S": identifier}}
        try:
            row = self._dynamodb.get_item(TableName=self._table, Key=key).get("Item")
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, "read refused event") from error
        if row is None or _is_over(row):
            return None
        kept = self._entries_of(row["object"]["S"]).get(identifier)
        return None if kept is None else {**_public(row), **_raw(base64.b64decode(kept["raw"]))}

    def _rows(self, org: str, day: date, wanted: Filter) -> Iterator[dict[str, Any]]:
        low = entries.first_id(wanted.since)
        high = wanted.after or entries.first_id(wanted.until)
        if low >= high:
            return
        query: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "entityTypeKey = :day AND entityId BETWEEN :low AND :high",
            "ExpressionAttributeValues": {
                ":day": {"S": entries.day_key(org, day.isoformat())},
                ":low": {"S": low},
                ":high": {"S": high},
            },
            "ScanIndexForward": False,
        }
        conditions = []
        if wanted.event_type is not None:
            conditions.append("eventType = :type")
            query["ExpressionAttributeValues"][":type"] = {"S": wanted.event_type}
        if wanted.code is not None:
            conditions.append("contains(codes, :code)")
            query["ExpressionAttributeValues"][":code"] = {"S": wanted.code}
        if wanted.status is not None:
            conditions.append("#status = :status")
            query["ExpressionAttributeNames"] = {"#status": "status"}
            query["ExpressionAttributeValues"][":status"] = {"S": wanted.status}
        if conditions:
            query["FilterExpression"] = " AND ".join(conditions)
        while True:
            try:
                page = self._dynamodb.query(**query)
            except (ClientError, BotoCoreError) as error:
                raise from_client_error(error, "list refused events") from error
            for row in page["Items"]:
                if row["entityId"]["S"] != wanted.after and not _is_over(row):
                    yield row
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _bounded(value: Any) -> Any:
    """A value for an audit row, which has 400 KB: one too large for it as its size and hash."""
    text = orjson.dumps(value)
    if len(text) <= AUDITED_BYTES:
        return value
    return {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}


def _on_its_day(wanted: Filter, identifier: str) -> Filter:
    """The same filter around the moment that an id carries; one that is no id matches nothing."""
    margin = timedelta(milliseconds=2)
    try:
        moment = entries.moment_of(identifier)
        low, high = moment - margin, moment + margin
    except (ValueError, OverflowError):
        return replace(wanted, until=wanted.since)
    return replace(wanted, since=max(wanted.since, low), until=min(wanted.until, high))


def _days_back(wanted: Filter) -> Iterator[date]:
    # Nothing is refused in the future, and nothing is kept longer than it is kept: the walk has both ends.
    now = clock.now()
    newest = min(
        entries.moment_of(wanted.after) if wanted.after else wanted.until, now + timedelta(minutes=1)
    )
    oldest = max(wanted.since, now - timedelta(days=entries.KEPT_DAYS + 1))
    day, last = clock.utc_day(newest), clock.utc_day(oldest)
    while day >= last:
        yield day
        day -= timedelta(days=1)


def _is_over(row: dict[str, Any]) -> bool:
    # Time to live removes late; a row whose time is over is gone for every reader at once.
    return int(row["expiresAt"]["N"]) <= time.time()


def _public(row: dict[str, Any]) -> dict[str, Any]:
    def text(name: str) -> str | None:
        return row[name]["S"] if name in row else None

    return {
        "quarantineId": row["entityId"]["S"],
        "eventId": text("eventId"),
        "eventType": text("eventType"),
        "version": text("version"),
        "errors": orjson.loads(row["errors"]["S"]),
        "receivedAt": row["receivedAt"]["S"],
        "source": row["source"]["S"],
        "status": row["status"]["S"],
    }


def _raw(raw: bytes) -> dict[str, str]:
    """As text; as base64 where it is no UTF-8, or where JSON would need more room for it than that."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    if text is None or len(orjson.dumps(text)) > len(raw) * 4 // 3 + 1024:
        return {"raw": base64.b64encode(raw).decode(), "rawEncoding": "base64"}
    return {"raw": text, "rawEncoding": "utf-8"}
