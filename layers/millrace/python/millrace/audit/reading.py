"""Lines of a tenant's audit in pages, newest first: those of its chain, then those that were written before it began.

Before chains, a line was a row `<org>#audit#<day>` / `<moment>#<name>`. Such lines are readable, and prove nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

import orjson

from millrace.core import audit, clock, keys
from millrace.core.audit import Line
from millrace.core.table import Item, Table

# What one call reads at most; a page may be empty for that, and its cursor goes on.
MOST_LINES = 2_000
MOST_DAYS = 60
# Of lines before chains, whose rows are by day: how far back they are looked for.
OLDEST_DAYS = 400
_IN_CHAIN, _BEFORE = "chain", "before"


class Wanted(NamedTuple):
    """Which lines: of [since, until), and of an action, a principal and a person where they are named.

    `subject`: the person's number; lines have no other name of a person.
    """

    since: datetime | None = None
    until: datetime | None = None
    action: str | None = None
    principal: str | None = None
    subject: str | None = None


class Page(NamedTuple):
    """Lines as the API answers them, and the position behind them; None where nothing is left."""

    items: list[dict[str, Any]]
    after: str | None


@dataclass(frozen=True, slots=True)
class AuditReader:
    """Reads lines."""

    metadata: Table

    def page(self, org: str, wanted: Wanted, after: str | None, limit: int) -> Page:
        """Lines, newest first.

        Args:
            org: the tenant.
            wanted: which.
            after: the position of the page before.
            limit: lines at most.

        Raises:
            MillraceError: the table did not answer.
        """
        kind, _, place = (after or "").partition(":")
        items: list[dict[str, Any]] = []
        if kind != _BEFORE:
            below = int(place) if place else self._first_behind(org, wanted.until)
            for line in islice(self._chain(org, below), MOST_LINES):
                if wanted.since is not None and line.at < clock.utc_text(wanted.since):
                    return Page(items, None)
                if _matches(line.action, line.principal, line.detail, wanted):
                    items.append({**line.to_json(), "inChain": True})
                below = line.number
                if len(items) == limit:
                    return Page(items, f"{_IN_CHAIN}:{below}")
            if below > 1 and next(self._chain(org, below), None) is not None:
                return Page(items, f"{_IN_CHAIN}:{below}")
            place = clock.day_text(min(wanted.until or clock.now(), clock.now()))
        return self._before(org, wanted, items, place, limit)

    def _chain(self, org: str, below: int) -> Iterator[Line]:
        rows = self.metadata.query(
            "entityTypeKey = :key AND entityId < :below",
            {":key": {"S": audit.partition(org)}, ":below": {"S": audit.sort_key(below)}},
            newest_first=True,
            doing="read audit",
        )
        return (audit.of_item(org, row) for row in rows)

    def _first_behind(self, org: str, until: datetime | None) -> int:
        """The number of the first line that is not before a moment: moments of a chain never fall, so it is halved."""
        last = audit.newest(self.metadata, org)
        low, high = 1, 1 if last is None else last.number + 1
        text = "" if until is None else clock.utc_text(until)
        while text and low < high:
            middle = (low + high) // 2
            line = next(self._chain(org, middle + 1), None)
            if line is None or line.at < text:
                low = middle + 1
            else:
                high = middle
        return high

    def _before(self, org: str, wanted: Wanted, items: list[dict[str, Any]], place: str, limit: int) -> Page:
        text, _, name = place.partition("/")
        day = clock.parse(f"{text}T00:00:00Z")
        oldest = clock.now() - timedelta(days=OLDEST_DAYS)
        if wanted.since is not None:
            oldest = max(oldest, clock.midnight(clock.utc_day(wanted.since)))
        for _ in range(MOST_DAYS):
            if day < oldest:
                return Page(items, None)
            for row in self._rows(org, clock.day_text(day), name):
                name = row["entityId"]["S"]
                item, detail = _before_the_chain(row), row["detail"]["S"]
                if _within(item["at"], wanted) and _matches(
                    item["action"], item["principal"], detail, wanted
                ):
                    items.append(item)
                if len(items) == limit:
                    return Page(items, f"{_BEFORE}:{clock.day_text(day)}/{name}")
            day, name = day - timedelta(days=1), ""
        return Page(items, f"{_BEFORE}:{clock.day_text(day)}")

    def _rows(self, org: str, day: str, below: str) -> Iterator[Item]:
        values = {":key": {"S": keys.metadata(org, "audit", day)}}
        condition = "entityTypeKey = :key"
        if below:
            condition += " AND entityId < :below"
            values[":below"] = {"S": below}
        return self.metadata.query(condition, values, newest_first=True, doing="read audit")


def is_position(text: str) -> bool:
    """Whether a text is a position of a page."""
    kind, _, place = text.partition(":")
    if kind == _IN_CHAIN:
        return place.isascii() and place.isdigit()
    try:
        clock.parse(f"{place.partition('/')[0]}T00:00:00Z")
    except ValueError:
        return False
    return kind == _BEFORE


def _matches(action: str, principal: str, detail: str, wanted: Wanted) -> bool:
    if wanted.action not in (None, action) or wanted.principal not in (None, principal):
        return False
    return wanted.subject is None or _is_about(detail, wanted.subject)


def _is_about(detail: str, subject: str) -> bool:
    """Whether a line's detail says that it is about a person, alone or among others."""
    # Most lines are about others, and need not be parsed for that.
    if f'"{subject}"' not in detail:
        return False
    said = orjson.loads(detail)
    among = said.get("subjects")
    return said.get("subject") == subject or (isinstance(among, list) and subject in among)


def _within(at: str, wanted: Wanted) -> bool:
    since, until = (None if one is None else clock.utc_text(one) for one in wanted[:2])
    return (since is None or at >= since) and (until is None or at < until)


def _before_the_chain(row: Item) -> dict[str, Any]:
    moment, _, name = row["entityId"]["S"].partition(keys.SEPARATOR)
    return {
        "number": None,
        "at": moment,
        "action": row["action"]["S"],
        "principal": row["principal"]["S"],
        "detail": orjson.loads(row["detail"]["S"]),
        "name": keys.unescape(name),
        "previous": None,
        "previousAt": None,
        "hash": None,
        "inChain": False,
    }
