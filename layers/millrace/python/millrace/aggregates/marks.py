"""Which minutes of receipt are to be folded: a mark each, put behind the minute's facts and deleted behind its parts.

As long as a minute is marked, readers take it from its facts, and afterwards from its parts. The fold deletes the mark that it
read before it read the facts and no other: whatever came meanwhile has put a new one.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from millrace.aggregates import rows
from millrace.core import keys
from millrace.core.table import Item, Table


@dataclass(frozen=True, slots=True)
class Mark:
    """A minute of a tenant that is to be folded; `failed_at`: second of the last attempt that failed, or 0."""

    org: str
    minute: str
    token: str
    failed_at: int

    @property
    def key(self) -> dict[str, Any]:
        """Of its row."""
        return _key(self.org, self.minute)


def items(minutes: Collection[tuple[str, str]], token: str) -> list[Item]:
    """The marks of minutes by tenant, each with a token that no other time has."""
    return [
        {
            **_key(org, minute),
            "token": {"S": token},
            "expiresAt": rows.expiry(minute, rows.KEPT),
        }
        for org, minute in minutes
    ]


def of_all(analytics: Table) -> Iterator[Mark]:
    """Every mark there is."""
    for shard in range(rows.MARK_SHARDS):
        values = {":key": {"S": rows.mark_shard(shard)}}
        yield from map(
            _mark, analytics.query("metricKey = :key", values, consistent=True, doing="read marks")
        )


def of_org(analytics: Table, org: str) -> Iterator[Mark]:
    """A tenant's marks."""
    values = {":key": {"S": rows.mark_key(org)}, ":org": {"S": rows.mark_sort(org)}}
    condition = "metricKey = :key AND begins_with(tileKey, :org)"
    yield from map(_mark, analytics.query(condition, values, consistent=True, doing="read marks"))


def remove(analytics: Table, mark: Mark) -> bool:
    """Deletes a mark; False where there is another one meanwhile."""
    return analytics.delete(
        mark.key,
        condition="#token = :token",
        names={"#token": "token"},
        values={":token": {"S": mark.token}},
        doing="remove mark",
    )


def put_off(analytics: Table, mark: Mark, second: int) -> None:
    """Notes that the minute could not be folded, unless there is another mark meanwhile."""
    analytics.update(
        mark.key,
        "SET failedAt = :at",
        condition="#token = :token",
        names={"#token": "token"},
        values={":token": {"S": mark.token}, ":at": {"N": str(second)}},
        doing="put off a minute",
    )


def _key(org: str, minute: str) -> dict[str, Any]:
    return {"metricKey": {"S": rows.mark_key(org)}, "tileKey": {"S": rows.mark_sort(org, minute)}}


def _mark(item: Mapping[str, Any]) -> Mark:
    org, _, minute = item["tileKey"]["S"].rpartition(keys.SEPARATOR)
    failed_at = int(item.get("failedAt", {"N": "0"})["N"])
    return Mark(keys.unescape(org), minute, item["token"]["S"], failed_at)
