"""What reconciliation keeps in Metadata: a row an hour and type that had events, when a day was looked at, what was tried.

All of them lie under `org#reconcile#<day>`: `<hour>#<type>`, `checked`, `tried#<event id>`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from millrace.core import clock, keys
from millrace.core.batch import write_all
from millrace.core.errors import from_client_error
from millrace.eventstore.row import Item
from millrace.reconcile import tables
from millrace.reconcile.compare import to_text
from millrace.reconcile.outcome import Cell

ENTITY = "reconcile"
CHECKED = "checked"
TRIED = "tried"
KEPT_DAYS = 90
Day = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Tried:
    """How often an event was repaired, and when the last time."""

    times: int
    at: datetime


class Results:
    """Reads and writes them."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb, self._table = dynamodb, table

    def checked(self, days: Iterable[Day]) -> dict[Day, str]:
        """Tenant and day → when it was looked at as a whole, as UTC text; nothing for one that never was.

        Raises:
            MillraceError: the table did not answer.
        """
        by_key = {partition(org, day): (org, day) for org, day in days}
        wanted = [_key(name, CHECKED) for name in by_key]
        return {
            by_key[row["entityTypeKey"]["S"]]: row["checkedAt"]["S"]
            for row in tables.rows(self._dynamodb, self._table, wanted)
        }

    def tried(self, org: str, day: str, ids: Iterable[bytes]) -> dict[bytes, Tried]:
        """What was tried before for these events.

        Raises:
            MillraceError: the table did not answer.
        """
        name = partition(org, day)
        by_id = {keys.join(TRIED, to_text(one)): one for one in ids}
        wanted = [_key(name, row) for row in by_id]
        return {
            by_id[row["entityId"]["S"]]: Tried(int(row["tries"]["N"]), clock.parse(row["at"]["S"]))
            for row in tables.rows(self._dynamodb, self._table, wanted)
        }

    def keep_tried(self, org: str, day: str, times: Mapping[bytes, int], now: datetime) -> None:
        """Notes that these events are about to be repaired, each for the so manieth time.

        Raises:
            MillraceError: not all of it is kept; nothing may be repaired then.
        """
        items = [
            {
                **_key(partition(org, day), keys.join(TRIED, to_text(one))),
                "tries": {"N": str(count)},
                "at": {"S": clock.utc_text(now)},
                **_expiry(now),
            }
            for one, count in times.items()
        ]
        write_all(self._dynamodb, self._table, items)

    def keep(self, org: str, day: str, cells: Sequence[Cell], now: datetime, *, whole: bool) -> None:
        """Keeps what came of hours; `whole`: that the day was looked at as a whole. What says the same as before stays.

        Raises:
            MillraceError: not all of it is kept.
        """
        name = partition(org, day)
        items = [_item(name, cell, now) for cell in cells]
        before = {
            row["entityId"]["S"]: row
            for row in tables.rows(
                self._dynamodb, self._table, [_key(name, item["entityId"]["S"]) for item in items]
            )
        }
        changed = [item for item in items if _said(before.get(item["entityId"]["S"])) != _said(item)]
        if whole:
            at = {"checkedAt": {"S": clock.utc_text(now)}}
            changed.append({**_key(name, CHECKED), **at, **_expiry(now)})
        write_all(self._dynamodb, self._table, changed)

    def drop_manifest(self, name: str, entity_ids: Iterable[str]) -> None:
        """Deletes rows of a manifest.

        Raises:
            MillraceError: the table did not answer.
        """
        for one in entity_ids:
            try:
                self._dynamodb.delete_item(TableName=self._table, Key=_key(name, one))
            except (ClientError, BotoCoreError) as error:
                raise from_client_error(error, "drop row of manifest") from error


def partition(org: str, day: str) -> str:
    """`org#reconcile#<day>`."""
    return keys.metadata(org, ENTITY, day)


def _item(name: str, cell: Cell, now: datetime) -> Item:
    told = cell.to_json()
    return {
        **_key(name, keys.join(f"{cell.hour:02}", cell.event_type)),
        "status": {"S": told["status"]},
        "eventType": {"S": cell.event_type},
        **{field: {"M": _numbers(told[field])} for field in ("counts", "missing")},
        **{field: {"N": str(told[field])} for field in ("settling", "explained", "repaired", "open")},
        "differences": {"S": orjson.dumps(told["differences"]).decode()},
        "at": {"S": clock.utc_text(now)},
        **_expiry(now),
    }


def _numbers(counts: Mapping[str, int]) -> dict[str, dict[str, str]]:
    return {name: {"N": str(count)} for name, count in counts.items()}


def _said(item: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: held for name, held in (item or {}).items() if name not in {"at", "expiresAt"}}


def _key(name: str, entity_id: str) -> Item:
    return {"entityTypeKey": {"S": name}, "entityId": {"S": entity_id}}


def _expiry(now: datetime) -> Item:
    return {"expiresAt": {"N": str(clock.epoch(now + timedelta(days=KEPT_DAYS)))}}
