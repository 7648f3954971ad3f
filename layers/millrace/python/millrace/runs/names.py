"""Names of executions: machine, interval and attempt, such as `hourly_etl-20261121T10-1`.

A run's name is also the folder of its documents and a property of the snapshots it makes. Step Functions lets a name be
used once in 90 days, so the attempt is what makes a second run of an interval possible, and the name itself is what
keeps two from running the same attempt.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any, Literal

from millrace.core.errors import PermanentError
from millrace.runs.interval import days

Machine = Literal["hourly_etl", "backfill", "maintenance", "seal_tiles", "train_model"]
MACHINES: tuple[Machine, ...] = ("hourly_etl", "backfill", "maintenance", "seal_tiles", "train_model")
# Letters, digits, `-` and `_`: an execution whose name has anything else is not logged.
# Step Functions takes 80 of them; the executions that one starts have its name and up to ten more.
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html#API_StartExecution_RequestSyntax
LONGEST = 70
_NAME = re.compile(rf"({'|'.join(MACHINES)})-(\w(?:[\w-]*\w)?)-([1-9][0-9]*)", re.ASCII)
# A longer tenant's name would leave no room for the rest.
_LONGEST_ORG = 40
_HOUR = re.compile(r"\d{8}T\d{2}")
_DAY = re.compile(r"\d{8}")


@dataclass(frozen=True, slots=True)
class ExecutionName:
    """The parts of a name."""

    machine: Machine
    interval: str
    attempt: int

    def __str__(self) -> str:
        return f"{self.machine}-{self.interval}-{self.attempt}"

    @property
    def prefix(self) -> str:
        """The name without its attempt."""
        return f"{self.machine}-{self.interval}"


def named(machine: Machine, interval: str, attempt: int) -> ExecutionName:
    """The name of an attempt.

    Raises:
        PermanentError: Step Functions takes no such name.
    """
    name = ExecutionName(machine, interval, attempt)
    if len(str(name)) > LONGEST or not _NAME.fullmatch(str(name)):
        raise PermanentError(f"{name} is not a valid name of an execution")
    return name


def parse(text: str) -> ExecutionName | None:
    """The parts of a name; None for an execution that was named in another way."""
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    machine = next(known for known in MACHINES if known == match[1])
    return ExecutionName(machine, match[2], int(match[3]))


def interval(machine: Machine, given: Mapping[str, Any], now: datetime) -> str:
    """Which interval an execution is for.

    Args:
        machine: which machine.
        given: its input. With `from` and `to` the days between them are the interval; else it takes what is new, and
            the interval is the hour of `now`, or its day where tables are refreshed that are built once a day. A training
            is of the day, and of its tenant where one is named.
        now: the present moment.

    Raises:
        PermanentError: `from` or `to` is not a day, only one is given, or they are the wrong way round.
    """
    first, last = given.get("from"), given.get("to")
    if first is not None or last is not None:
        start, end = days_of(first, last)
        return f"{start:%Y%m%d}_{end:%Y%m%d}"
    if machine == "backfill":
        raise PermanentError("a backfill needs from and to")
    moment = now.astimezone(UTC)
    if machine == "train_model" and given.get("org") is not None:
        return f"{_short(str(given['org']))}-{moment:%Y%m%d}"
    if machine == "hourly_etl" and "daily" not in given.get("refresh", ()):
        return f"{moment:%Y%m%dT%H}"
    return f"{moment:%Y%m%d}"


def _short(org: str) -> str:
    if len(org) <= _LONGEST_ORG:
        return org
    # One longer than any tenant's that is kept whole, so it is not a tenant's name itself.
    return f"{org[: _LONGEST_ORG - 12]}-{sha256(org.encode()).hexdigest()[:12]}"


def days_of(first: Any, last: Any) -> tuple[date, date]:
    """Both ends of an interval of UTC days, each included.

    Raises:
        PermanentError: one is missing or no day, or the first is after the last.
    """
    covered = days(first, last)
    if covered is None:
        raise PermanentError("an interval has both ends: from and to are missing")
    start, end = date.fromisoformat(covered[0]), date.fromisoformat(covered[-1])
    return start, end


def next_attempt(names: Iterable[str], prefix: str) -> int:
    """The first attempt behind all those among the names."""
    parsed = [parse(name) for name in names]
    return 1 + max((one.attempt for one in parsed if one is not None and one.prefix == prefix), default=0)


def in_the_way(running: Iterable[str], wanted: ExecutionName) -> str | None:
    """The running execution that an execution of this interval must not run beside, if there is one.

    That is one of the same interval; and as runs over what is new all take the same tenant-days, an hour's does not run
    beside any other of them. One that refreshes the day's tables waits for its like only: skipped, it would not come
    again before tomorrow.
    """
    kind = _kind(wanted.interval)
    for text in running:
        name = parse(text)
        if name is None or name.machine != wanted.machine:
            continue
        other = _kind(name.interval)
        if name.interval == wanted.interval or (kind != "days" and other in ("day", kind)):
            return text
    return None


def takes_what_is_new(text: str) -> bool:
    """Whether an execution of that name takes in what is new, and not chosen days."""
    name = parse(text)
    return name is not None and name.machine == "hourly_etl" and _kind(name.interval) != "days"


def _kind(text: str) -> Literal["hour", "day", "days"]:
    if _HOUR.fullmatch(text):
        return "hour"
    return "day" if _DAY.fullmatch(text) else "days"
