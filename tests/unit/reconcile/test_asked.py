"""What a pass is asked for, what is no pass, and how far one comes."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from millrace.core.errors import PermanentError
from millrace.reconcile import asked, passes, report
from millrace.reconcile.compare import RAW, SILVER
from millrace.reconcile.judge import Status, Verdict
from millrace.reconcile.outcome import Cell, Report
from millrace.reconcile.results import Results
from millrace.reconcile.window import Window

NOW = datetime(2026, 11, 21, 12, 50, tzinfo=UTC)


def test_scheduled_passes() -> None:
    hourly, daily = asked.read({"pass": "hourly"}, NOW), asked.read({"pass": "daily"}, NOW)
    assert hourly.windows == (Window("2026-11-21", 9, 12),)
    assert daily.windows[:2] == (Window("2026-11-21", 0, 12), Window("2026-11-20"))
    assert (hourly.longest_ago_first, daily.longest_ago_first) == (False, True)
    assert not hourly.again
    assert not daily.again


def test_days_on_demand() -> None:
    found = asked.read(
        {"from": "2026-11-19", "to": "2026-11-20", "org": "org_a", "before": "2026-11-21T13:00:00+01:00"}, NOW
    )
    assert found.windows == (Window("2026-11-20"), Window("2026-11-19"))
    assert (found.orgs, found.again, found.before) == (("org_a",), True, "2026-11-21T12:00:00.000Z")


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"pass": "weekly"},
        {"from": "2026-11-20"},
        {"from": "2026-11-20", "to": "yesterday"},
        {"from": "2026-11-20", "to": "2026-11-20", "before": "soon"},
    ],
)
def test_what_is_no_pass_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(PermanentError):
        asked.read(event, NOW)


def test_tenants_are_those_with_a_credential_and_those_of_bindings() -> None:
    assert asked.tenants(["org_b", "org_a"], "org_c,org_a,") == ["org_a", "org_b", "org_c"]


class Known(Results):
    """When days were looked at."""

    def __init__(self, known: dict[tuple[str, str], str]) -> None:
        self._known = known

    def checked(self, days: Any) -> dict[tuple[str, str], str]:
        return {day: self._known[day] for day in days if day in self._known}


class Checking:
    """Takes a second a window."""

    def __init__(self) -> None:
        self.left, self.seen = 10.0, list[tuple[str, str]]()

    def run(self, org: str, window: Window, now: datetime, *, again: bool = False) -> list[Cell]:
        self.left -= 1
        self.seen.append((org, window.day))
        cell = Cell("a", 3)
        cell.count(RAW | SILVER)
        return [cell]


def test_what_a_pass_leaves_the_next_one_begins_with() -> None:
    units = passes.units(["b", "a"], [Window(f"2026-11-{n:02}") for n in range(1, 7)])
    known: dict[tuple[str, str], str] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for number in range(2):
        checking = Checking()
        wanted = passes.oldest_first(units, Known(known))
        found = passes.run(checking, wanted, NOW, lambda: checking.left, 3.0)  # noqa: B023  called at once
        assert (len(checking.seen), found.left) == (8, 4)
        seen.update(checking.seen)
        known |= dict.fromkeys(checking.seen, f"2026-11-21T1{number}:00:00.000Z")
    assert (len(seen), max(seen.values())) == (12, 2), "16 looks over 12 tenant-days, none left behind"
    again = passes.oldest_first(units, Known(known), "2026-11-21T11:00:00.000Z")
    assert {known[org, window.day] for org, window in again} == {"2026-11-21T10:00:00.000Z"}


def test_a_report_adds_up_what_was_found() -> None:
    cell, found = Cell("a", 3), Report()
    cell.tell("e-1", SILVER, Verdict(RAW, Status.OPEN, ("why",)))
    cell.tell("e-2", SILVER | RAW, Verdict(0, Status.EQUAL))
    cell.tell("e-3", 0, Verdict(RAW, Status.SETTLING, ("received just now",)))
    found.add("org_a", "2026-11-20", [cell, Cell("b", 4)])
    said = found.to_json()
    assert said["cells"] == {"equal": 1, "explained": 0, "repaired": 0, "open": 1}
    assert (said["counts"]["silver"], said["counts"]["raw"], said["events"]["settling"]) == (2, 1, 1)
    assert [one["org"] for one in said["differences"]] == ["org_a"]
    values = {name: value for name, (value, _) in report.metrics(found).items()}
    assert values == {"EventsOpen": 1, "TenantDaysLeft": 0, "MissingInRaw": 1}
