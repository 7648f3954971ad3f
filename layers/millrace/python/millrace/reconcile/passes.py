"""A pass over tenants and days: those that were looked at longest ago first, as many as time suffices for."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from millrace.reconcile.outcome import Cell, Report
from millrace.reconcile.results import Results
from millrace.reconcile.window import Window

Unit = tuple[str, Window]


class Checking(Protocol):
    """What a tenant's hours are looked at by."""

    def run(self, org: str, window: Window, now: datetime, *, again: bool = False) -> list[Cell]:
        """Reconciles them."""
        ...


def units(orgs: Iterable[str], windows: Sequence[Window]) -> list[Unit]:
    """Every window of every tenant."""
    return [(org, window) for window in windows for org in sorted(set(orgs))]


def oldest_first(wanted: Sequence[Unit], results: Results, before: str = "") -> list[Unit]:
    """In the order in which they were looked at last, so that what one pass leaves the next begins with.

    Args:
        wanted: windows of tenants.
        results: which know when that was.
        before: only those that were looked at before this moment, as UTC text; empty: all.

    Raises:
        MillraceError: the table did not answer.
    """
    known = results.checked((org, window.day) for org, window in wanted)
    at = [(known.get((org, window.day), ""), (org, window)) for org, window in wanted]
    chosen = [one for one in at if not before or one[0] < before]
    return [unit for _, unit in sorted(chosen, key=lambda one: one[0])]


def run(
    check: Checking,
    wanted: Sequence[Unit],
    now: datetime,
    seconds_left: Callable[[], float],
    needed_seconds: float,
    *,
    again: bool = False,
    warn: Callable[[str], None] = lambda _: None,
) -> Report:
    """Reconciles one after the other. One that fails is left for another pass, like those that time does not suffice for.

    Args:
        check: what does it.
        wanted: in the order in which they are to be done.
        now: when the pass began.
        seconds_left: how long there is still.
        needed_seconds: what must be left for another one to be begun.
        again: read raw and look for pointers again, whatever an earlier pass has noted.
        warn: told why one failed.
    """
    report = Report()
    for number, (org, window) in enumerate(wanted):
        if seconds_left() < needed_seconds:
            report.left += len(wanted) - number
            break
        try:
            cells = check.run(org, window, now, again=again)
        except Exception as error:  # noqa: BLE001  whatever one tenant's day sets off must not stop those behind it
            report.left += 1
            warn(f"{org} {window.day}: {type(error).__name__}: {error}")
            continue
        report.add(org, window.day, cells)
    return report
