"""Checks as metrics. Pure."""

from collections.abc import Sequence

from aws_lambda_powertools.metrics import MetricUnit

from millrace.canary.journey import Check

FAILED, ARRIVED = "CanaryPathsFailed", "CanaryPathsArrived"


def metric_name(path: str) -> str:
    """`log-only` → `CanaryLogOnlyMilliseconds`."""
    return f"Canary{''.join(part.capitalize() for part in path.split('-'))}Milliseconds"


def metrics(checks: Sequence[Check]) -> dict[str, tuple[float, MetricUnit]]:
    """Metric → value and unit: how many paths failed and arrived, and how long each arrival took."""
    times = {
        metric_name(check.path): (float(check.ms), MetricUnit.Milliseconds)
        for check in checks
        if check.status == "ok" and check.ms is not None
    }
    failed = sum(check.status == "fail" for check in checks)
    arrived = sum(check.status == "ok" for check in checks)
    return {FAILED: (float(failed), MetricUnit.Count), ARRIVED: (float(arrived), MetricUnit.Count), **times}
