"""What reconciliation keeps in Metadata: the result of each hour and type, when a day was compared, and repairs.

All rows lie under `org#reconcile#<day>`: `<hour>#<type>` for an hour of a type that had events, `checked` for when the day was
compared, `tried#<event id>` for repairs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from millrace.core import clock, keys
from millrace.core.identity import as_text
from millrace.core.table import Item, Table
from millrace.reconcile.report import HourResult

ENTITY, CHECKED, REPAIRS = "reconcile", "checked", "tried"
KEPT_DAYS = 90
TenantDay = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PastRepairs:
    """How often an event was repaired, and when the last time."""

    count: int
    last_at: datetime


class ResultStore:
    """Reads and writes the rows of Metadata."""

    def __init__(self, metadata: Table) -> None:
        self._metadata = metadata

    def checked(self, days: Iterable[TenantDay]) -> dict[TenantDay, str]:
        """Tenant and day → when it was compared as a whole, as UTC text; a day that never was is left out.

        Raises:
            MillraceError: the table did not answer.
        """
        by_key = {partition(org, day): (org, day) for org, day in days}
        rows = self._read(_key(name, CHECKED) for name in by_key)
        return {by_key[row["entityTypeKey"]["S"]]: row["checkedAt"]["S"] for row in rows}

    def has_open(self, org: str, day: str) -> bool:
        """Whether the last comparisons of a tenant's day left events that are missing somewhere.

        Raises:
            MillraceError: the table did not answer.
        """
        rows = self._metadata.query(
            "entityTypeKey = :day", {":day": {"S": partition(org, day)}}, doing="read what is open"
        )
        return any(int(row["open"]["N"]) for row in rows if "open" in row)

    def past_repairs(self, org: str, day: str, ids: Iterable[bytes]) -> dict[bytes, PastRepairs]:
        """Those of these events that were repaired before.

        Raises:
            MillraceError: the table did not answer.
        """
        by_key = {keys.join(REPAIRS, as_text(one)): one for one in ids}
        rows = self._read(_key(partition(org, day), name) for name in by_key)
        return {
            by_key[row["entityId"]["S"]]: PastRepairs(int(row["tries"]["N"]), clock.parse(row["at"]["S"]))
            for row in rows
        }

    def count_repairs(self, org: str, day: str, counts: Mapping[bytes, int], now: datetime) -> None:
        """Keeps how often each event has been repaired, the repair that is about to be made included.

        Raises:
            MillraceError: not all of it is kept; nothing may be repaired then.
        """
        items = [
            {
                **_key(partition(org, day), keys.join(REPAIRS, as_text(one))),
                "tries": {"N": str(count)},
                "at": {"S": clock.utc_text(now)},
                **_expiry(now),
            }
            for one, count in counts.items()
        ]
        self._metadata.write_all(items)

    def keep(self, org: str, day: str, results: Sequence[HourResult], now: datetime, *, whole: bool) -> None:
        """Keeps the results of hours; `whole`: that the day was compared as a whole. A row without a change stays.

        Raises:
            MillraceError: not all of it is kept.
        """
        name = partition(org, day)
        items = [_item(name, result, now) for result in results]
        rows = self._read(_key(name, item["entityId"]["S"]) for item in items)
        before = {row["entityId"]["S"]: _content(row) for row in rows}
        changed = [item for item in items if before.get(item["entityId"]["S"]) != _content(item)]
        if whole:
            at = {"checkedAt": {"S": clock.utc_text(now)}}
            changed.append({**_key(name, CHECKED), **at, **_expiry(now)})
        self._metadata.write_all(changed)

    def _read(self, wanted: Iterable[Item]) -> Iterable[Item]:
        return self._metadata.batch_get(wanted, consistent=True, doing="read results")


def partition(org: str, day: str) -> str:
    """`org#reconcile#<day>`."""
    return keys.metadata(org, ENTITY, day)


def _item(name: str, result: HourResult, now: datetime) -> Item:
    document = result.to_json()
    return {
        **_key(name, keys.join(f"{result.hour:02}", result.event_type)),
        "status": {"S": document["status"]},
        "eventType": {"S": result.event_type},
        **{part: {"M": _numbers(document[part])} for part in ("counts", "missing")},
        **{part: {"N": str(document[part])} for part in ("settling", "explained", "repaired", "open")},
        "differences": {"S": orjson.dumps(document["differences"]).decode()},
        "at": {"S": clock.utc_text(now)},
        **_expiry(now),
    }


def _numbers(counts: Mapping[str, int]) -> dict[str, dict[str, str]]:
    return {name: {"N": str(count)} for name, count in counts.items()}


def _content(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in {"at", "expiresAt"}}


def _key(name: str, entity_id: str) -> Item:
    return {"entityTypeKey": {"S": name}, "entityId": {"S": entity_id}}


def _expiry(now: datetime) -> Item:
    return {"expiresAt": {"N": str(clock.epoch(now + timedelta(days=KEPT_DAYS)))}}
