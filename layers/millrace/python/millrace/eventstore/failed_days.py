"""Tenant-days that no run could commit: one Metadata row each, with the errors of the last run that tried.

The archive replaces the pending rows with every batch, so the errors of a day have a row of their own. An operator may set
such a day aside: no run takes it in, whatever arrives for it, until the operator takes it in again. Each change of
its state is one conditional write, so of two callers who change it at once one does.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from millrace.core import audit, clock, keys
from millrace.core.table import Item, Table
from millrace.eventstore import pending

ENTITY = "failed"
SHARD = "0"
# Of a day that fails in every table, the row stays small.
MOST_FAILURES = 20
MOST_CHARACTERS = 500
State = Literal["pending", "set_aside"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a day is not in a table; `table` is None where it failed before any table."""

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


def read(metadata: Table) -> list[FailedDay]:
    """All of them, by tenant and day.

    Raises:
        MillraceError: the table did not answer.
    """
    rows = metadata.query(
        "entityTypeKey = :all", {":all": {"S": partition()}}, consistent=True, doing="read which days failed"
    )
    return [_of(row) for row in rows]


def record(metadata: Table, org: str, day: str, reasons: Iterable[Reason], *, run: str, at: str) -> None:
    """Keeps why a run could not commit a day; one that is set aside stays so.

    Raises:
        MillraceError: the table did not take it.
    """
    kept = [[one.table, one.error[:MOST_CHARACTERS]] for one in reasons][:MOST_FAILURES]
    metadata.update(
        key(org, day),
        "SET orgId = :org, #day = :day, reasons = :reasons, runId = :run, #at = :at, "
        "#state = if_not_exists(#state, :pending)",
        names={"#day": "day", "#at": "at", "#state": "state"},
        values={
            ":org": {"S": org},
            ":day": {"S": day},
            ":reasons": {"S": json.dumps(kept)},
            ":run": {"S": run},
            ":at": {"S": at},
            ":pending": {"S": "pending"},
        },
        doing="keep why a day failed",
    )


def forget(metadata: Table, org: str, day: str) -> bool:
    """Forgets a day that a run has committed; False for one that was set aside meanwhile, and for one that is not kept.

    Raises:
        MillraceError: the table did not answer.
    """
    return metadata.delete(
        key(org, day),
        condition="#state = :pending",
        names={"#state": "state"},
        values={":pending": {"S": "pending"}},
        doing="forget a failed day",
    )


def set_aside(metadata: Table, org: str, day: str, *, by: str, now: datetime) -> bool:
    """Takes a day out of the way of runs, with a line in the audit of its tenant.

    Returns:
        False where it is set aside already.

    Raises:
        MillraceError: the table did not answer.
    """
    condition = "attribute_not_exists(#state) OR #state = :from"
    change = _change(org, day, ("pending", "set_aside"), condition, by, now)
    actions = [{"Update": change}]
    return audit.write(metadata, org, "pending.set-aside", by, {"day": day}, at=now, also=actions)


def take_in(metadata: Table, org: str, day: str, *, by: str, now: datetime) -> bool:
    """Gives a day back to the next run, with a line in the audit of its tenant.

    Returns:
        False where it is not set aside.

    Raises:
        MillraceError: the table did not answer.
    """
    change = _change(org, day, ("set_aside", "pending"), "#state = :from", by, now)
    (waiting,) = pending.to_items([(org, day)], pending.new_token(), now)
    actions = [{"Update": change}, {"Put": {"Item": waiting}}]
    return audit.write(metadata, org, "pending.take-in", by, {"day": day}, at=now, also=actions)


def _change(
    org: str, day: str, states: tuple[State, State], condition: str, by: str, now: datetime
) -> dict[str, Any]:
    return {
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
            ":at": {"S": clock.utc_text(now)},
        },
    }


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
