"""Refused events as metrics, by type. Only where there are some, so accepted events cost nothing."""

from collections import Counter
from collections.abc import Collection, Sequence

from millrace.contracts import registry
from millrace.intake.case import REFUSED, EventResult

METRIC, TYPE = "EventsRefused", "eventType"
UNKNOWN = "unknown"
SERVICE = "intake"


def by_type(results: Sequence[EventResult], known: Collection[str]) -> Counter[str]:
    """How many were refused of each type; types that no contract describes count as one, or each would be a metric."""
    return Counter(
        result.event_type if result.event_type and result.event_type in known else UNKNOWN
        for result in results
        if result.outcome in REFUSED
    )


def emit_metrics(results: Sequence[EventResult], environment: str) -> None:
    """Writes a line for each type of which events were refused."""
    if not any(result.outcome in REFUSED for result in results):
        return
    # Imported here: a cold start that refuses nothing does not pay for it.
    from aws_lambda_powertools.metrics import MetricUnit  # noqa: PLC0415

    from millrace.core.metrics import emit  # noqa: PLC0415

    known = {contract.event_type for contract in registry.load().contracts}
    for event_type, number in sorted(by_type(results, known).items()):
        values = {METRIC: (float(number), MetricUnit.Count)}
        emit(SERVICE, environment, values, {TYPE: event_type})
