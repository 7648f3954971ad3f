"""A run in numbers. Pure."""

from aws_lambda_powertools.metrics import MetricUnit

from millrace.core import clock
from millrace.quality.checks import FRESHNESS
from millrace.runs.documents import Summary


def of_run(summary: Summary) -> dict[str, tuple[float, MetricUnit]]:
    """Metric → value and unit."""
    checks = [line for line in summary.checks if line.check != FRESHNESS]
    counts = {
        "RowsIn": summary.rows_in,
        "Rows": summary.rows,
        "Duplicates": summary.duplicates,
        "DeadRows": summary.dead,
        "TenantDays": summary.partitions,
        "TenantDaysRemaining": summary.remaining,
        "TenantDaysSetAside": summary.set_aside,
        "NotLanded": len(summary.failures),
        "ChecksFailed": sum(line.status == "fail" for line in checks),
        "ChecksWarned": sum(line.status == "warn" for line in checks),
        "TablesStale": sum(line.status == "fail" for line in summary.checks if line.check == FRESHNESS),
        "RunsFailed": int(summary.status == "failed"),
    }
    seconds = (clock.parse(summary.ended_at) - clock.parse(summary.started_at)).total_seconds()
    return {
        **{name: (float(value), MetricUnit.Count) for name, value in counts.items()},
        "RunSeconds": (max(seconds, 0.0), MetricUnit.Seconds),
    }
