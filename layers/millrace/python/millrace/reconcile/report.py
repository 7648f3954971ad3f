"""A pass as metrics: what became of differences, and what was missing where."""

from collections.abc import Mapping

from aws_lambda_powertools.metrics import MetricUnit

from millrace.reconcile.compare import SOURCES
from millrace.reconcile.judge import Status
from millrace.reconcile.outcome import Report

OPEN = "EventsOpen"
LEFT = "TenantDaysLeft"


def metrics(report: Report) -> Mapping[str, tuple[float, MetricUnit]]:
    """`EventsOpen`, and `TenantDaysLeft` for another pass; `EventsRepaired`, `EventsExplained`, `MissingInRaw` and its like.

    A metric is paid for in the hours in which it has a value: without a difference there are the first two.
    """
    always = {OPEN: report.events[Status.OPEN], LEFT: report.left}
    found = {
        "EventsRepaired": report.events[Status.REPAIRED],
        "EventsExplained": report.events[Status.EXPLAINED],
        **{f"MissingIn{name[0].upper()}{name[1:]}": report.missing[name] for name in SOURCES.values()},
    }
    told = always | {name: count for name, count in found.items() if count}
    return {name: (count, MetricUnit.Count) for name, count in told.items()}
