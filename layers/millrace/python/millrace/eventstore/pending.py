"""Which tenant-days have rows in raw that no run has taken in yet: one Metadata row each, written by the archive.

A row carries the token of the batch that wrote it last. A run deletes it only under the condition that the token is
still the one it planned with, so a batch that came meanwhile keeps its day pending.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from millrace.core import clock, keys
from millrace.core.errors import error_code, from_client_error

ENTITY = "pending"
SHARD = "0"
_TOKEN_DIGITS = 32

Item = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Pending:
    """A tenant's UTC day with something new since `at`, the newest arrival of the batch."""

    org: str
    day: str
    token: str
    at: str


def partition() -> str:
    """`platform#pending#0`: of all tenants, because a run takes them all."""
    return keys.metadata("platform", ENTITY, SHARD)


def token(place: str) -> str:
    """The token of a batch, from its place in the stream: a second delivery of it writes the same."""
    return hashlib.sha256(place.encode()).hexdigest()[:_TOKEN_DIGITS]


def to_items(touched: Iterable[tuple[str, str]], place: str, newest: datetime) -> list[Item]:
    """The rows of a batch.

    Args:
        touched: tenant and UTC day of its events; each pair gives one row.
        place: of the batch in its stream, as its receipts have it.
        newest: when its newest record arrived.
    """
    return [
        {
            "entityTypeKey": {"S": partition()},
            "entityId": {"S": keys.join(org, day)},
            "orgId": {"S": org},
            "day": {"S": day},
            "token": {"S": token(place)},
            "at": {"S": clock.utc_text(newest)},
        }
        for org, day in sorted(set(touched))
    ]


def read(dynamodb: Any, table: str) -> list[Pending]:
    """All that is pending, by tenant and day.

    Raises:
        MillraceError: the table did not answer.
    """
    query: dict[str, Any] = {
        "TableName": table,
        "KeyConditionExpression": "entityTypeKey = :all",
        "ExpressionAttributeValues": {":all": {"S": partition()}},
        "ConsistentRead": True,
    }
    found: list[Pending] = []
    while True:
        try:
            page = dynamodb.query(**query)
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, "read what is pending") from error
        found += [
            Pending(row["orgId"]["S"], row["day"]["S"], row["token"]["S"], row["at"]["S"])
            for row in page["Items"]
        ]
        if "LastEvaluatedKey" not in page:
            return found
        query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def clear(dynamodb: Any, table: str, org: str, day: str, planned: str) -> bool:
    """Deletes the row of a tenant-day unless something came since it was planned.

    Returns:
        False when the row stays, because its token is another one, and when there is none.

    Raises:
        MillraceError: the table did not answer.
    """
    try:
        dynamodb.delete_item(
            TableName=table,
            Key={"entityTypeKey": {"S": partition()}, "entityId": {"S": keys.join(org, day)}},
            ConditionExpression="#token = :planned",
            ExpressionAttributeNames={"#token": "token"},
            ExpressionAttributeValues={":planned": {"S": planned}},
        )
    except (ClientError, BotoCoreError) as error:
        if error_code(getattr(error, "response", {})) == "ConditionalCheckFailedException":
            return False
        raise from_client_error(error, "clear what was pending") from error
    return True
