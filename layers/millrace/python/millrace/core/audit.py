"""A tenant's audit: lines in Metadata, `<org>#audit#chain` / `<number>`, each of which carries the hash of the one before.

Lines are numbered from 1 without a gap, and a line is one conditional write under the number behind the last one: of two
writers at once one takes the number, the other goes on behind it. Nothing else is written, so whoever is killed has
written the line or has not. Whoever changes, removes or inserts a line leaves a chain that does not fit
(`millrace.audit.verify`).
"""

import hashlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import orjson

from millrace.core import clock, keys
from millrace.core.audit_actions import ACTIONS
from millrace.core.errors import PermanentError, RetryableError, ThrottledError
from millrace.core.table import Item, Table

# Of one value, such as a patch.
MOST_BYTES = 64 * 1024
# Seven years, leap days included.
KEPT = timedelta(days=7 * 365 + 2)
# A request with the same name is not written again within this time.
NAMES_KEPT = timedelta(days=8)
# After this a line is not tried again. Functions behind the API have 29 s, and a call of the table that has begun takes up to 13.
SECONDS = 8.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.005, 1.0
_DIGITS = 12
_VERSION = "audit/1"
# Another write of the same rows is under way, as a transaction and as a put are told.
_CONFLICTS = frozenset({"TransactionCanceledException", "TransactionConflictException"})


class BusyError(ThrottledError):
    """Others write lines of the same tenant all the time, and this one is not written."""


class Head(NamedTuple):
    """The last line of a chain: its number, its hash, and when it was written. Before the first: 0 and empty."""

    number: int = 0
    hash: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        org: whose audit it is.
        number: 1 for the first, and one more for each next.
        at: when it was written, UTC with milliseconds, never before the line before.
        action: of `core.audit_actions`.
        principal: who did it.
        detail: JSON with sorted keys, as text.
        name: of the line, such as a request's id; a second line of the same action and name is not written.
        previous: hash of the line before; empty in the first.
        previous_at: when that was written; empty in the first.
        hash: of all of these, as hex.
    """

    org: str
    number: int
    at: str
    action: str
    principal: str
    detail: str
    name: str
    previous: str
    previous_at: str
    hash: str

    @property
    def expected(self) -> str:
        """The hash that fits the rest of the line."""
        parts = (
            _VERSION,
            self.org,
            str(self.number),
            self.at,
            self.action,
            self.principal,
            self.detail,
            self.name,
            self.previous,
            self.previous_at,
        )
        text = "".join(f"{len(part.encode())}:{part}" for part in parts)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def head(self) -> Head:
        """The line as the last one of its chain."""
        return Head(self.number, self.hash, self.at)

    def to_json(self) -> dict[str, Any]:
        """As the API answers it."""
        return {
            "number": self.number,
            "at": self.at,
            "action": self.action,
            "principal": self.principal,
            "detail": orjson.loads(self.detail),
            "name": self.name,
            "previous": self.previous,
            "previousAt": self.previous_at,
            "hash": self.hash,
        }


def partition(org: str) -> str:
    """The key of all lines of a tenant's chain."""
    return keys.metadata(org, "audit", "chain")


def chains() -> str:
    """The key under which the tenants that have a chain are, by name."""
    return keys.metadata("platform", "audit-chains", "0")


def sort_key(number: int) -> str:
    """Of the line of a number: of one width, so that their order is the chain's."""
    return f"{number:0{_DIGITS}}"


def of_item(org: str, item: Item) -> Line:
    """The line of a row."""
    return Line(
        org,
        int(item["entityId"]["S"]),
        *(
            item[name]["S"]
            for name in ("at", "action", "principal", "detail", "name", "previous", "previousAt", "hash")
        ),
    )


def newest(metadata: Table, org: str) -> Line | None:
    """The last line of a tenant's chain; None where there is none.

    Raises:
        MillraceError: the table did not answer.
    """
    rows = metadata.query(
        "entityTypeKey = :key",
        {":key": {"S": partition(org)}},
        consistent=True,
        newest_first=True,
        most=1,
        doing="read the end of the audit",
    )
    row = next(rows, None)
    return None if row is None else of_item(org, row)


def write(
    metadata: Table,
    org: str,
    action: str,
    principal: str,
    detail: Mapping[str, Any],
    name: str = "",
    *,
    at: datetime | None = None,
    also: Sequence[Mapping[str, Mapping[str, Any]]] = (),
    pause: Callable[[float], None] = time.sleep,
    seconds: Callable[[], float] = time.monotonic,
) -> bool:
    """Writes a line behind the tenant's last one, before what it tells of is answered.

    Args:
        metadata: the table.
        org: whose audit it is.
        action: of `core.audit_actions`.
        principal: who did it.
        detail: JSON; a value beyond 64 KB is kept as its size and hash.
        name: of the line, such as a request's id: within 8 days the tenant has one line of an action and a name. New if empty.
        at: when; now if None.
        also: writes of the same table that are made with the line or not at all, as `Table.transact` has them.
        pause: waits so many seconds.
        seconds: a clock that never goes back.

    Returns:
        False where nothing was written: there is such a line, or a condition of `also` did not hold.

    Raises:
        PermanentError: there is no such action.
        BusyError: other lines of the tenant came first for `SECONDS`.
        MillraceError: the table did not take it, so nothing may be answered that the line tells of.
    """
    if action not in ACTIONS:
        raise PermanentError(f"{action} is not an action of the audit: core/audit_actions.py lists them")
    text = orjson.dumps(
        {key: _bounded(value) for key, value in detail.items()}, option=orjson.OPT_SORT_KEYS
    ).decode()
    moment, own = clock.utc_text(at or clock.now()), name or uuid4().hex
    last = newest(metadata, org)
    end, longest = seconds() + SECONDS, _FIRST_PAUSE_SECONDS
    while True:
        if name and last is not None and (last.action, last.name) == (action, name):
            return False
        line, began = _behind(last, org, moment, action, principal, text, own), seconds()
        outcome = _put(metadata, line, named=bool(name), also=also)
        if outcome:
            return True
        # A put that takes long lets as many others come first, so pauses grow with it, and with each one that was in vain.
        longest = min(_LONGEST_PAUSE_SECONDS, 2 * max(longest, seconds() - began))
        pause(random.uniform(0, longest))  # noqa: S311  jitter
        last = newest(metadata, org)
        if outcome is False and _number(last) < line.number:
            # The number is free, so another condition did not hold.
            return False
        if seconds() >= end:
            raise BusyError(f"write audit line: other lines of {org} came first for {SECONDS:.0f} s")


def _behind(
    last: Line | None, org: str, at: str, action: str, principal: str, detail: str, name: str
) -> Line:
    previous = Head() if last is None else last.head
    # Clocks differ, and the order of a chain is that of its numbers: it is that of the moments as well.
    line = Line(
        org,
        previous.number + 1,
        max(at, previous.at),
        action,
        principal,
        detail,
        name,
        previous.hash,
        previous.at,
        "",
    )
    return replace(line, hash=line.expected)


def _put(
    metadata: Table, line: Line, *, named: bool, also: Sequence[Mapping[str, Mapping[str, Any]]]
) -> bool | None:
    """True: it is written; False: a condition did not hold; None: another line has the number, or a write is under way."""
    item = _item(line)
    more = [*also]
    if named:
        more.append(_new(_name_row(line)))
    if line.number == 1:
        chain: Item = {"entityTypeKey": {"S": chains()}, "entityId": {"S": line.org}}
        more.append({"Put": {"Item": chain}})
    doing = "write audit line"
    try:
        if more:
            return metadata.transact([_new(item), *more], doing=doing)
        taken = metadata.insert(item, "entityTypeKey", doing=doing)
    except RetryableError as error:
        if error.code not in _CONFLICTS:
            raise
        return None
    # The client repeats a put whose answer was lost.
    return True if taken is None or of_item(line.org, taken) == line else None


def _new(item: Item) -> dict[str, dict[str, Any]]:
    return {"Put": {"Item": item, "ConditionExpression": "attribute_not_exists(entityTypeKey)"}}


def _item(line: Line) -> Item:
    texts = {
        "entityTypeKey": partition(line.org),
        "entityId": sort_key(line.number),
        "at": line.at,
        "action": line.action,
        "principal": line.principal,
        "detail": line.detail,
        "name": line.name,
        "previous": line.previous,
        "previousAt": line.previous_at,
        "hash": line.hash,
    }
    expires = clock.epoch(clock.parse(line.at) + KEPT)
    return {**{name: {"S": text} for name, text in texts.items()}, "expiresAt": {"N": str(expires)}}


def _name_row(line: Line) -> Item:
    return {
        "entityTypeKey": {"S": keys.metadata(line.org, "audit-names")},
        "entityId": {"S": keys.join(line.action, line.name)},
        "expiresAt": {"N": str(clock.epoch(clock.parse(line.at) + NAMES_KEPT))},
    }


def _number(line: Line | None) -> int:
    return 0 if line is None else line.number


def _bounded(value: Any) -> Any:
    text = orjson.dumps(value)
    if len(text) <= MOST_BYTES:
        return value
    return {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
