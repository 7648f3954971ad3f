"""A pass as metrics: what became of differences, and what was missing where."""

from collections.abc import Mapping

from aws_lambda_powertools.metrics import MetricUnit

from millrace.reconcile.compare import SOURCES
from millrace.reconcile.judge import Status
from millrace.reconcile.outcome import Report

OPEN = "EventsOpen"
LEFT = "TenantDaysLeft"


def metrics(report: Report) -> Mapping[str, tuple[float, MetricUnit]]:
    """`EventsOpen`, `EventsRepaired`, `EventsExplained`; `MissingInRaw` and its like; `TenantDaysLeft` for another pass."""
    found = {
        OPEN: report.events[Status.OPEN],
        "EventsRepaired": report.events[Status.REPAIRED],
        "EventsExplained": report.events[Status.EXPLAINED],
        LEFT: report.left,
        **{f"MissingIn{name[0].upper()}{name[1:]}": report.missing[name] for name in SOURCES.values()},
    }
    return {name: (count, MetricUnit.Count) for name, count in found.items()}
