"""Checks as metrics. Pure."""

from collections.abc import Sequence

from aws_lambda_powertools.metrics import MetricUnit

from millrace.canary.journey import PathCheck

FAILED, SLOWEST = "CanaryPathsFailed", "CanarySlowestMilliseconds"


def metric_name(path: str) -> str:
    """`log-only` → `CanaryLogOnlyMilliseconds`."""
    return f"Canary{''.join(part.capitalize() for part in path.split('-'))}Milliseconds"


def metrics(checks: Sequence[PathCheck], *, each_path: bool) -> dict[str, tuple[float, MetricUnit]]:
    """Metric → value and unit: how many paths failed, and how long arrivals took.

    Args:
        checks: of one journey.
        each_path: how long each path took, or the slowest alone: every metric is paid for by the month.
    """
    times = {
        metric_name(check.path): (float(check.ms), MetricUnit.Milliseconds)
        for check in checks
        if check.status == "ok" and check.ms is not None
    }
    failed = sum(check.status == "fail" for check in checks)
    failures = {FAILED: (float(failed), MetricUnit.Count)}
    if times and not each_path:
        times = {SLOWEST: max(times.values(), key=lambda taken: taken[0])}
    return {**failures, **times}
