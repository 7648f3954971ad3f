"""Tenant-days with rows in raw that no run has committed yet: one Metadata row each, written by the archive.

A row carries the token of the write that was last. A run deletes it only under the condition that the token is still
the one it planned with, so a batch that came meanwhile keeps its day pending.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from millrace.core import clock, keys
from millrace.core.table import Item, Table

ENTITY = "pending"
# The rows of all tenants are spread over so many keys; behind the number that holds stand earlier ones, whose rows may still be there.
SHARD_COUNTS = (8, 1)


@dataclass(frozen=True, slots=True)
class Pending:
    """A tenant's UTC day with something new since `at`, the newest arrival of the batch."""

    org: str
    day: str
    token: str
    at: str


def partition(shard: int) -> str:
    """`platform#pending#<shard>`: of all tenants, because a run takes them all."""
    return keys.metadata("platform", ENTITY, str(shard))


def keys_of(org: str, day: str) -> list[Item]:
    """Where the row of a tenant-day is written, then where it was written before."""
    name = keys.join(org, day)
    shards = dict.fromkeys(keys.shard_of(name, count) for count in SHARD_COUNTS)
    return [{"entityTypeKey": {"S": partition(shard)}, "entityId": {"S": name}} for shard in shards]


def new_token() -> str:
    """New for every write, also for a batch that is delivered a second time.

    That batch may come behind another of the same day: with its first token it would take the day back to what a run has
    planned already, and the other batch would be cleared unseen.
    """
    return uuid4().hex


def to_items(touched: Iterable[tuple[str, str]], token: str, newest: datetime) -> list[Item]:
    """The rows of a batch.

    Args:
        touched: tenant and UTC day of its events; each pair gives one row.
        token: of this write, by `new_token`.
        newest: when its newest record arrived.
    """
    return [
        {
            **keys_of(org, day)[0],
            "orgId": {"S": org},
            "day": {"S": day},
            "token": {"S": token},
            "at": {"S": clock.utc_text(newest)},
        }
        for org, day in sorted(set(touched))
    ]


def read(metadata: Table, org: str = "") -> list[Pending]:
    """All that is pending, by tenant and day; of a day with rows in two shards one, so that the other one keeps it pending.

    Args:
        metadata: the table.
        org: only of this tenant; empty: of all.

    Raises:
        MillraceError: the table did not answer.
    """
    days: dict[tuple[str, str], Pending] = {}
    for shard in range(max(SHARD_COUNTS)):
        rows = metadata.query(
            "entityTypeKey = :shard" + (" AND begins_with(entityId, :org)" if org else ""),
            {":shard": {"S": partition(shard)}, **({":org": {"S": keys.join(org, "")}} if org else {})},
            consistent=True,
            doing="read what is pending",
        )
        for row in rows:
            place = row["orgId"]["S"], row["day"]["S"]
            days[place] = Pending(*place, row["token"]["S"], row["at"]["S"])
    return [days[place] for place in sorted(days)]


def clear(metadata: Table, org: str, day: str, planned: str) -> bool:
    """Deletes the row of a tenant-day unless something came since it was planned.

    Returns:
        False when the row stays, because its token is another one, and when there is none.

    Raises:
        MillraceError: the table did not answer.
    """
    return any(
        metadata.delete(
            key,
            condition="#token = :planned",
            names={"#token": "token"},
            values={":planned": {"S": planned}},
            doing="clear what was pending",
        )
        for key in keys_of(org, day)
    )
