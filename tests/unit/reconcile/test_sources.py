"""Sources as a pass sees them: late behind their time, not while they are paused, and one that cannot be read stops nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from millrace.core import clock
from millrace.core.errors import RetryableError
from millrace.feeders import hours, states
from millrace.feeders.binding import Binding
from millrace.feeders.hours import Hour
from millrace.feeders.states import State
from millrace.reconcile.report import LATE, PassReport
from millrace.reconcile.request import Window
from millrace.reconcile.sources import seen

NOW = datetime(2026, 11, 21, 12, 50, tzinfo=UTC)
SHOP = Binding("shop", "a", "webhook", ("dev",), freshness=3600)
TABLE: Any = None


class Stored:
    """What is stored of sources; a source without a moment cannot be read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.last: dict[tuple[str, str], timedelta] = {("a", "shop"): timedelta(minutes=61)}
        self.states: dict[str, State] = {}
        self.asked: list[tuple[datetime, datetime]] = []
        self.warned: list[str] = []
        monkeypatch.setattr(states, "listed", lambda _, org: self.states if org == "a" else {})
        monkeypatch.setattr(hours, "last_at", self._last_at)
        monkeypatch.setattr(hours, "read", self._read)

    def _last_at(self, _: Any, org: str, name: str) -> str:
        if (org, name) not in self.last:
            raise RetryableError("throttled")
        return clock.utc_text(NOW - self.last[org, name])

    def _read(self, _: Any, __: str, ___: str, since: datetime, until: datetime) -> dict[str, Hour]:
        self.asked.append((since, until))
        hour = Hour()
        hour.counts.update(accepted=3, rejected=1)
        return {"h": hour}

    def seen(self, *bindings: Binding, windows: tuple[Window, ...] = ()) -> list[dict[str, Any]]:
        self.report = PassReport(sources=seen(bindings, windows, TABLE, NOW, self.warned.append))
        return [one.to_json() for one in self.report.sources]


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Stored:
    return Stored(monkeypatch)


def test_a_source_is_late_behind_its_time_and_not_while_it_is_paused(stored: Stored) -> None:
    (one,) = stored.seen(SHOP)
    assert (one["late"], one["state"], one["accepted"]) == (True, "active", 0)
    assert stored.report.metrics()[LATE][0] == 1
    (slow,) = stored.seen(replace(SHOP, freshness=7200))
    (free,) = stored.seen(replace(SHOP, freshness=None))
    assert (slow["late"], free["late"]) == (False, False)
    assert LATE not in stored.report.metrics()
    stored.states = {"shop": State("paused")}
    (paused,) = stored.seen(SHOP)
    assert (paused["late"], paused["state"]) == (False, "paused")


def test_counts_are_of_the_hours_that_are_compared(stored: Stored) -> None:
    windows = (Window("2026-11-21", 0, 12), Window("2026-11-20"))
    (one,) = stored.seen(SHOP, windows=windows)
    assert (one["accepted"], one["rejected"], one["duplicates"]) == (6, 2, 0)
    assert stored.asked[0] == (datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 11, 21, 11, tzinfo=UTC))
    assert stored.asked[1][1] == datetime(2026, 11, 20, 23, tzinfo=UTC)


def test_a_source_that_cannot_be_read_is_left_out_and_another_tenants_is_not_paused(stored: Stored) -> None:
    stored.states = {"shop": State("paused")}
    stored.last["b", "shop"] = timedelta(hours=2)
    found = stored.seen(replace(SHOP, org="b"), replace(SHOP, name="gone"), SHOP)
    assert [(one["org"], one["late"]) for one in found] == [("a", False), ("b", True)]
    assert stored.warned == ["source gone: throttled"]
