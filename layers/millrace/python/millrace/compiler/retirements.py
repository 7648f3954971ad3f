"""Announced ends of majors: how a contract's file states one, what must hold, and what the gate lets change. Build only."""

import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from millrace.contracts.contract import Contract
from millrace.contracts.retirement import NOTICE_DAYS, Retirement

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DECISION = re.compile(r"docs/decisions/[A-Za-z0-9][A-Za-z0-9._-]*\.md")
FORM = (
    "an object such as {announced: 2026-12-01, ends: 2026-12-20, by: 2, decision: docs/decisions/0001-why.md}"
)
CONSUMERS = "a list of {name, contact}, each a text that is not empty"


def read(value: Any) -> Retirement:
    """The value of the property `retirement`.

    Raises:
        ValueError: with a sentence.
    """
    if not isinstance(value, dict) or set(value) != {"announced", "ends", "by", "decision"}:
        raise ValueError(f"retirement is {FORM}")
    announced, ends = (_day(name, value[name]) for name in ("announced", "ends"))
    if ends - announced < timedelta(days=NOTICE_DAYS):
        raise ValueError(
            f"consumers have at least {NOTICE_DAYS} days, and from {announced} to {ends} are "
            f"{(ends - announced).days}"
        )
    if type(value["by"]) is not int:
        raise ValueError("by is the major version that replaces this one, such as 2")
    if not isinstance(value["decision"], str) or not _DECISION.fullmatch(value["decision"]):
        raise ValueError("decision is the path of a record, such as docs/decisions/0001-why.md")
    return Retirement(announced, ends, value["by"], value["decision"])


def _day(name: str, text: Any) -> date:
    if not isinstance(text, str) or not _DAY.fullmatch(text):
        raise ValueError(f"{name} is a day such as 2026-12-20")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name}: there is no day {text}") from None


def read_consumers(value: Any) -> tuple[dict[str, str], ...]:
    """The value of the property `consumers`.

    Raises:
        ValueError: with a sentence.
    """
    if isinstance(value, list) and all(map(_is_consumer, value)):
        return tuple(value)
    raise ValueError(f"consumers is {CONSUMERS}")


def _is_consumer(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"name", "contact"}
        and all(isinstance(text, str) and text.strip() for text in value.values())
    )


def references(contracts: Iterable[Contract]) -> Iterator[tuple[str, str]]:
    """Ends in favour of a major that is not there, or ends no later: name of the contract and sentence."""
    known = {contract.name: contract for contract in contracts}
    for contract in known.values():
        end = contract.retirement
        if end is None:
            continue
        by = known.get(f"{contract.event_type}.v{end.by}")
        if end.by <= contract.major:
            yield contract.name, f"retirement: version {end.by} is not newer than this one"
        elif by is None:
            yield contract.name, f"retirement: there is no {contract.event_type}.v{end.by}"
        elif by.retirement is not None and by.retirement.ends <= end.ends:
            yield contract.name, f"retirement: version {end.by} itself ends on {by.retirement.ends}"


def without_decision(contracts: Iterable[Contract], checkout: Path) -> Iterator[tuple[Contract, str]]:
    """Announced ends whose decision record is not in the checkout: contract and sentence."""
    for contract in contracts:
        if contract.retirement is not None and not (checkout / contract.retirement.decision).is_file():
            yield contract, f"retirement: there is no file {contract.retirement.decision}"


def differences(before: Retirement | None, after: Retirement | None, today: date) -> Iterator[str]:
    """What an announced end may not become, as sentences: it may move later or be called off, and never comes nearer.

    Args:
        before: the end that holds.
        after: the one that is to hold.
        today: the UTC day of the comparison: a new end is counted from it, whatever day is written as the announcement's.
    """
    if after is None:
        return
    if before is None:
        first = today + timedelta(days=NOTICE_DAYS)
        if after.ends < first:
            yield f"it ends on {after.ends}; announced today ({today}), it ends on {first} or later"
        return
    if after.ends < before.ends:
        yield f"consumers were told that it ends on {before.ends}, and now it ends on {after.ends}"
    if after.by != before.by:
        yield f"consumers were told to go to version {before.by}, and now to version {after.by}"


def removal(end: Retirement | None, retention_days: int, today: date) -> str | None:
    """Why a contract may not be removed; None where its major has ended and its rows have expired."""
    if end is None or today < end.ends:
        return "a version that clients send is gone"
    last = end.ends + timedelta(days=retention_days)
    return f"rows of this version are kept until {last}" if today <= last else None
