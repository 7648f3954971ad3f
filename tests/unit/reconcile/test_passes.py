"""How far a pass comes, what the next one begins with, and how results add up."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from millrace.reconcile import passes
from millrace.reconcile.compare import RAW, SILVER
from millrace.reconcile.judge import Status, Verdict
from millrace.reconcile.report import HourResult, PassReport
from millrace.reconcile.request import Window
from millrace.reconcile.results import ResultStore

NOW = datetime(2026, 11, 21, 12, 50, tzinfo=UTC)


class Known(ResultStore):
    """When days were looked at."""

    def __init__(self, known: dict[tuple[str, str], str]) -> None:
        self._known = known

    def checked(self, days: Any) -> dict[tuple[str, str], str]:
        return {day: self._known[day] for day in days if day in self._known}


class Checking:
    """Takes a second a window."""

    def __init__(self) -> None:
        self.left, self.seen = 10.0, list[tuple[str, str]]()

    def run(self, org: str, window: Window, now: datetime, *, full: bool = False) -> list[HourResult]:
        self.left -= 1
        self.seen.append((org, window.day))
        cell = HourResult("a", 3)
        cell.count(RAW | SILVER)
        return [cell]


def test_what_a_pass_leaves_the_next_one_begins_with() -> None:
    units = passes.units(["b", "a"], [Window(f"2026-11-{n:02}") for n in range(1, 7)])
    known: dict[tuple[str, str], str] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for number in range(2):
        checking = Checking()
        wanted = passes.oldest_check_first(units, Known(known))
        report = passes.run(checking, wanted, NOW, lambda: checking.left, 3.0)  # noqa: B023  called at once
        assert (len(checking.seen), report.left) == (8, 4)
        seen.update(checking.seen)
        known |= dict.fromkeys(checking.seen, f"2026-11-21T1{number}:00:00.000Z")
    assert (len(seen), max(seen.values())) == (12, 2), "16 looks over 12 tenant-days, none left behind"
    unchecked = passes.oldest_check_first(units, Known(known), "2026-11-21T11:00:00.000Z")
    assert {known[org, window.day] for org, window in unchecked} == {"2026-11-21T10:00:00.000Z"}


def test_a_tenant_whose_day_fails_is_left_for_another_pass_and_holds_up_no_other() -> None:
    class Failing(Checking):
        def run(self, org: str, window: Window, now: datetime, *, full: bool = False) -> list[HourResult]:
            results = super().run(org, window, now, full=full)
            if org == "b":
                raise ValueError("a row that cannot be read")
            return results

    checking, lines = Failing(), list[str]()
    units = passes.units(["a", "b", "c"], [Window("2026-11-21")])
    report = passes.run(checking, units, NOW, lambda: checking.left, 3.0, warn=lines.append)
    assert [org for org, _ in checking.seen] == ["a", "b", "c"]
    assert report.left == 1
    assert lines == ["b 2026-11-21: ValueError: a row that cannot be read"]


def test_a_report_adds_up_what_was_found() -> None:
    hour, report = HourResult("a", 3), PassReport()
    hour.add("e-1", SILVER, Verdict(RAW, Status.OPEN, ("why",)))
    hour.add("e-2", SILVER | RAW, Verdict(0, Status.EQUAL))
    hour.add("e-3", 0, Verdict(RAW, Status.SETTLING, ("received just now",)))
    report.add("org_a", "2026-11-20", [hour, HourResult("b", 4)])
    answer = report.to_json()
    assert answer["cells"] == {"equal": 1, "explained": 0, "repaired": 0, "open": 1}
    assert (answer["counts"]["silver"], answer["counts"]["raw"], answer["events"]["settling"]) == (2, 1, 1)
    assert [one["org"] for one in answer["differences"]] == ["org_a"]
    values = {name: value for name, (value, _) in report.metrics().items()}
    assert values == {"EventsOpen": 1, "TenantDaysLeft": 0, "MissingInRaw": 1}
