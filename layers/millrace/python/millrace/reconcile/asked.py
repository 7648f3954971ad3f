"""What a pass is asked for: `{"pass": "hourly"}`, `{"pass": "daily"}`, or days `{"from", "to"}`. Pure.

With days may stand an `org`, and `before`: a moment behind which a tenant's day was not looked at yet, so that a pass that
left something is gone on with by asking the same again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from millrace.core import clock
from millrace.core.errors import PermanentError
from millrace.eventstore.receipts import KEPT_DAYS
from millrace.reconcile import window
from millrace.reconcile.window import Window
from millrace.runs import interval

# What must be left of an invocation for one more tenant's day to be begun.
NEEDED_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A pass.

    Attributes:
        windows: hours of days.
        orgs: tenants; none means all.
        longest_ago_first: rather than newest first.
        before: only those that were looked at before this moment, as UTC text; empty: all.
        again: read raw and look for pointers again, whatever an earlier pass has noted.
    """

    windows: tuple[Window, ...]
    orgs: tuple[str, ...] = ()
    longest_ago_first: bool = False
    before: str = ""
    again: bool = False


def read(event: Mapping[str, Any], now: datetime) -> Asked:
    """What is asked.

    Raises:
        PermanentError: it is neither a pass nor an interval of days.
    """
    orgs = (str(event["org"]),) if event.get("org") else ()
    days = interval.days(event.get("from"), event.get("to"))
    if days is not None:
        windows = tuple(window.of_days(sorted(days, reverse=True), now))
        return Asked(windows, orgs, longest_ago_first=True, before=_moment(event.get("before")), again=True)
    match event.get("pass"):
        case "hourly":
            return Asked(tuple(window.recent(now)), orgs)
        case "daily":
            return Asked(tuple(window.daily(now, KEPT_DAYS)), orgs, longest_ago_first=True)
        case other:
            raise PermanentError(f"a pass is hourly or daily, or has from and to; not {other!r}")


def _moment(text: Any) -> str:
    if not text:
        return ""
    try:
        return clock.utc_text(clock.parse(str(text)))
    except ValueError as error:
        raise PermanentError(f"before is {text!r}, which is no moment") from error


def tenants(known: Iterable[str], bound: str) -> list[str]:
    """Those with a credential and those of `bound`, a list with commas."""
    return sorted({*known, *filter(None, bound.split(","))})
