"""Metrics as lines of the log, in CloudWatch's embedded metric format: no call, so nothing can fail or wait."""

from collections.abc import Mapping

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

NAMESPACE = "Millrace"
# No alarm and no graph is in these, and a metric that somebody tells each minute costs 0.30 dollars a month: what a function
# says in its log line as well is no metric there.
UNWATCHED = frozenset({"dev"})


def emit(
    service: str,
    environment: str,
    values: Mapping[str, tuple[float, MetricUnit]],
    dimensions: Mapping[str, str] | None = None,
) -> None:
    """Writes one line with all values, by service and environment.

    Args:
        service: the function's stem.
        environment: such as `dev`.
        values: name of the metric → value and unit.
        dimensions: more of them; each combination of values is a metric that is paid for.
    """
    line = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, service=service, metric_set={}, dimension_set={})
    line.add_dimension("environment", environment)
    for name, held in (dimensions or {}).items():
        line.add_dimension(name, held)
    for name, (value, unit) in values.items():
        line.add_metric(name=name, unit=unit, value=value)
    line.flush_metrics()
