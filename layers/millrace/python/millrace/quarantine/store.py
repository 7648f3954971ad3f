"""Quarantine in the lake and in Metadata: one object a request, an index row an event."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from millrace.core import clock
from millrace.core.batch import write_all
from millrace.core.errors import error_code, from_client_error
from millrace.quarantine import entry as entries
from millrace.quarantine.entry import Entry


@dataclass(frozen=True, slots=True)
class Filter:
    """Which refused events are asked for; `after` is the last id of the page before."""

    since: datetime
    until: datetime  # exclusive
    event_type: str | None = None
    code: str | None = None
    after: str | None = None


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
        found: list[dict[str, Any]] = []
        for day in _days_back(wanted):
            for row in self._rows(org, day, wanted):
                found.append(_public(row))
                if len(found) == limit:
                    return found
        return found

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
            if row is None:
                return None
            stored = self._s3.get_object(Bucket=self._bucket, Key=row["object"]["S"])["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if error_code(getattr(error, "response", {})) == "NoSuchKey":
                return None
            raise from_client_error(error, "read refused event") from error
        raw = next(
            base64.b64decode(kept["raw"])
            for kept in orjson.loads(stored)["entries"]
            if kept["quarantineId"] == identifier
        )
        return {**_public(row), **_raw(raw)}

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
        if conditions:
            query["FilterExpression"] = " AND ".join(conditions)
        while True:
            try:
                page = self._dynamodb.query(**query)
            except (ClientError, BotoCoreError) as error:
                raise from_client_error(error, "list refused events") from error
            for row in page["Items"]:
                if row["entityId"]["S"] != wanted.after:
                    yield row
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _days_back(wanted: Filter) -> Iterator[date]:
    newest = entries.moment_of(wanted.after) if wanted.after else wanted.until
    oldest = max(wanted.since, newest - timedelta(days=entries.KEPT_DAYS + 1))
    day, last = clock.utc_day(newest), clock.utc_day(oldest)
    while day >= last:
        yield day
        day -= timedelta(days=1)


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
    try:
        return {"raw": raw.decode("utf-8")}
    except UnicodeDecodeError:
        return {"raw": raw.decode("utf-8", "replace"), "rawBase64": base64.b64encode(raw).decode()}
