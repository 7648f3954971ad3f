"""Tenant-days that no run could commit: one Metadata row each, with the errors of the last run that tried.

The archive writes the pending rows anew with every batch, so what is known of a day beyond that stands in a row of its own.
An operator may set such a day aside: no run takes it in, whatever comes for it, until it is taken in again. Each change of
its state is one conditional write, so of two who change it at once one does.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from millrace.core import clock, keys
from millrace.core.errors import error_code, from_client_error
from millrace.eventstore import pending
from millrace.eventstore.pending import Item

ENTITY = "failed"
SHARD = "0"
# Of a day that fails in every table, the row stays small.
MOST_FAILURES = 20
MOST_CHARACTERS = 500
State = Literal["pending", "set_aside"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a day is not in a table; `table` is None where it came to none."""

    table: str | None
    error: str


@dataclass(frozen=True, slots=True)
class FailedDay:
    """A tenant's UTC day. `run` and `at`: of the last run that failed with it; empty where none has."""

    org: str
    day: str
    state: State
    reasons: tuple[Reason, ...] = ()
    run: str = ""
    at: str = ""


def partition() -> str:
    """`platform#failed#0`: of all tenants, because a plan looks at them all."""
    return keys.metadata("platform", ENTITY, SHARD)


def key(org: str, day: str) -> Item:
    """Of the row of a tenant-day."""
    return {"entityTypeKey": {"S": partition()}, "entityId": {"S": keys.join(org, day)}}


def read(dynamodb: Any, table: str) -> list[FailedDay]:
    """All of them, by tenant and day.

    Raises:
        MillraceError: the table did not answer.
    """
    query: dict[str, Any] = {
        "TableName": table,
        "KeyConditionExpression": "entityTypeKey = :all",
        "ExpressionAttributeValues": {":all": {"S": partition()}},
        "ConsistentRead": True,
    }
    found: list[FailedDay] = []
    while True:
        try:
            page = dynamodb.query(**query)
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, "read which days failed") from error
        found += [_of(row) for row in page["Items"]]
        if "LastEvaluatedKey" not in page:
            return found
        query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def tell(
    dynamodb: Any, table: str, org: str, day: str, reasons: Iterable[Reason], *, run: str, at: str
) -> None:
    """Keeps why a run could not commit a day; one that is set aside stays so.

    Raises:
        MillraceError: the table did not take it.
    """
    said = [[one.table, one.error[:MOST_CHARACTERS]] for one in reasons][:MOST_FAILURES]
    try:
        dynamodb.update_item(
            TableName=table,
            Key=key(org, day),
            UpdateExpression=(
                "SET orgId = :org, #day = :day, reasons = :reasons, runId = :run, #at = :at, "
                "#state = if_not_exists(#state, :pending)"
            ),
            ExpressionAttributeNames={"#day": "day", "#at": "at", "#state": "state"},
            ExpressionAttributeValues={
                ":org": {"S": org},
                ":day": {"S": day},
                ":reasons": {"S": json.dumps(said)},
                ":run": {"S": run},
                ":at": {"S": at},
                ":pending": {"S": "pending"},
            },
        )
    except (ClientError, BotoCoreError) as error:
        raise from_client_error(error, "keep why a day failed") from error


def landed(dynamodb: Any, table: str, org: str, day: str) -> bool:
    """Forgets a day that a run has committed; one that was set aside meanwhile stays so.

    Raises:
        MillraceError: the table did not answer.
    """
    try:
        dynamodb.delete_item(
            TableName=table,
            Key=key(org, day),
            ConditionExpression="#state = :pending",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={":pending": {"S": "pending"}},
        )
    except (ClientError, BotoCoreError) as error:
        return _lost(error, "forget a failed day")
    return True


def set_aside(dynamodb: Any, table: str, org: str, day: str, *, by: str, now: datetime) -> bool:
    """Takes a day out of the way of runs, with a line in the audit of its tenant.

    Returns:
        False where it is set aside already.

    Raises:
        MillraceError: the table did not answer.
    """
    condition = "attribute_not_exists(#state) OR #state = :from"
    return _transition(dynamodb, table, (org, day), ("pending", "set_aside"), condition, by, now, [])


def take_in(dynamodb: Any, table: str, org: str, day: str, *, by: str, now: datetime) -> bool:
    """Gives a day back to the next run, with a line in the audit of its tenant.

    Returns:
        False where it is not set aside.

    Raises:
        MillraceError: the table did not answer.
    """
    (item,) = pending.to_items([(org, day)], pending.new_token(), now)
    again = [{"Put": {"TableName": table, "Item": item}}]
    return _transition(
        dynamodb, table, (org, day), ("set_aside", "pending"), "#state = :from", by, now, again
    )


def _transition(
    dynamodb: Any,
    table: str,
    place: tuple[str, str],
    states: tuple[State, State],
    condition: str,
    by: str,
    now: datetime,
    more: list[dict[str, Any]],
) -> bool:
    org, day = place
    moment = clock.utc_text(now)
    change = {
        "TableName": table,
        "Key": key(org, day),
        "UpdateExpression": "SET orgId = :org, #day = :day, #state = :to, changedBy = :by, changedAt = :at",
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {"#day": "day", "#state": "state"},
        "ExpressionAttributeValues": {
            ":org": {"S": org},
            ":day": {"S": day},
            ":from": {"S": states[0]},
            ":to": {"S": states[1]},
            ":by": {"S": by},
            ":at": {"S": moment},
        },
    }
    line = {
        "entityTypeKey": {"S": keys.metadata(org, "audit", moment[:10])},
        "entityId": {"S": keys.join(moment, pending.new_token())},
        "action": {"S": f"pending.{'set-aside' if states[1] == 'set_aside' else 'take-in'}"},
        "principal": {"S": by},
        "detail": {"S": json.dumps({"day": day})},
    }
    actions = [{"Update": change}, {"Put": {"TableName": table, "Item": line}}, *more]
    try:
        dynamodb.transact_write_items(TransactItems=actions)
    except (ClientError, BotoCoreError) as error:
        return _lost(error, "change the state of a day")
    return True


def _lost(error: Exception, doing: str) -> bool:
    """False, where somebody else came first."""
    answer: Mapping[str, Any] = getattr(error, "response", None) or {}
    refused = any(
        one.get("Code") == "ConditionalCheckFailed" for one in answer.get("CancellationReasons", ())
    )
    if refused or error_code(answer) == "ConditionalCheckFailedException":
        return False
    raise from_client_error(error, doing) from error


def _of(row: Item) -> FailedDay:
    reasons = json.loads(row["reasons"]["S"]) if "reasons" in row else []
    return FailedDay(
        org=row["orgId"]["S"],
        day=row["day"]["S"],
        state="set_aside" if row["state"]["S"] == "set_aside" else "pending",
        reasons=tuple(Reason(table, error) for table, error in reasons),
        run=row.get("runId", {"S": ""})["S"],
        at=row.get("at", {"S": ""})["S"],
    )
