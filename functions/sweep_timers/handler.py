"""Edge: looks after the timers of patterns, and ends the storms of alerts, once a minute."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit

from functions.sweep_timers.settings import Settings
from millrace.core import metrics
from millrace.core.edge import Event, Handler, edge, seconds_left
from millrace.patterns.assemble import sweeper
from millrace.patterns.sweep import DUE, LATE_SECONDS, UNKNOWN, Outcome

NAME = "sweep_timers"


@edge(NAME, Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Sweeps; raises if the timers cannot be read, and the next minute sweeps."""
    timers = sweeper(settings, log.warning)

    def sweep(_: Event, context: Any) -> dict[str, Any]:
        swept = timers.sweep(seconds_left(context))
        answer = swept.to_json()
        due = sum(swept.timers.values())
        if due:
            late = (swept.late_seconds, MetricUnit.Seconds)
            counts = {DUE: due, UNKNOWN: swept.timers[Outcome.UNKNOWN]}
            values = {name: (number, MetricUnit.Count) for name, number in counts.items() if number}
            metrics.emit(NAME, settings.environment, {**values, LATE_SECONDS: late})
        if due or swept.storms or swept.held:
            log.info("swept", extra=answer)
        return answer

    return sweep
