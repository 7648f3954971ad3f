"""The past as dry runs read it: which span, events of the lake a day at a time, and what of the span is not there yet."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cli import lag
from cli.errors import UsageError
from cli.target import Target
from millrace.core import clock
from millrace.core.sql import literal

if TYPE_CHECKING:
    from cli.lake import Lake
    from millrace.eventstore.row import StoredEvent

_DAY = timedelta(days=1)
_DATE = len("2026-11-21")


def span(from_: str | None, to: str | None, now: datetime | None = None) -> tuple[datetime, datetime]:
    """From when to when: by default the last seven days; a day as the end is that whole day.

    Raises:
        UsageError: one of them is no time, or the end comes first.
    """
    now = now or datetime.now(UTC)
    since = now - 7 * _DAY if from_ is None else _moment("--from", from_)
    until = now if to is None else _moment("--to", to) + (_DAY if len(to) == _DATE else timedelta())
    if since >= until:
        raise UsageError("--from lies behind --to")
    return since, until


def days(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The same span, divided at each UTC midnight."""
    while since < until:
        end = min(until, since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + _DAY)
        yield since, end
        since = end


def stored(lake: "Lake", types: Collection[str], since: datetime, until: datetime) -> "Iterator[StoredEvent]":
    """The archived events of these types in the order of time; a day is sorted at a time. One may come twice."""
    from millrace.archive.raw import SCHEMA
    from millrace.archive.restore import to_event

    columns = ", ".join(SCHEMA.names)
    for start, end in days(since, until):
        sql = (
            f"SELECT {columns} FROM raw.events WHERE event_type IN ({', '.join(map(literal, sorted(types)))}) "  # noqa: S608  quoted
            f"AND year || '-' || month || '-' || day = {literal(clock.day_text(start))} AND {between(start, end)} "
            "ORDER BY event_time, event_id"
        )
        with lake.ask(sql) as answer:
            for part in answer.parts():
                yield from (to_event(dict(zip(answer.names, row, strict=True))) for row in part)


def between(since: datetime, until: datetime) -> str:
    """The condition on rows of the lake that happened in a span."""
    start, end = (literal(clock.utc_micros(one)) for one in (since, until))
    return f"event_time >= CAST({start} AS TIMESTAMPTZ) AND event_time < CAST({end} AS TIMESTAMPTZ)"


def not_there(target: Target, org: str | None, *, silver: bool) -> tuple[int, list[str]]:
    """How many accepted events the lake lacks, of whatever time and type, and that in sentences.

    Args:
        target: the platform.
        org: whose events; None for those of all tenants.
        silver: whether those count that are archived and not in silver.
    """
    from millrace.eventstore.backlog import Backlog

    now = clock.now()
    behind = lag.read(target, now)
    behind = behind if org is None else behind.of(org)
    if not silver:
        behind = replace(behind, silver=Backlog())
    return behind.archive.total + behind.silver.total, behind.sentences(now)


def _moment(option: str, text: str) -> datetime:
    try:
        return clock.as_utc(datetime.fromisoformat(text))
    except ValueError as error:
        raise UsageError(
            f"{option} is {text!r}, which is neither a day nor a time such as 2026-11-21T06:00:00Z"
        ) from error
