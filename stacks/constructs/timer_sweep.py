"""The sweep of timers: a function that looks once a minute which absences are due, and the alarm on those that wait for long."""

from aws_cdk import Duration
from constructs import Construct

from millrace.patterns.sweep import LATE_SECONDS
from stacks.constructs.alarms import alarm_on, alarm_on_no_calls, greatest
from stacks.constructs.fleet import Fleet
from stacks.constructs.platform_function import PlatformFunction
from stacks.constructs.schedule import Schedule

NAME = "sweep_timers"
_LATE = Duration.minutes(10)


class TimerSweep(Construct):
    """The function, its schedule, its alarm."""

    def __init__(self, scope: Construct, construct_id: str, *, fleet: Fleet) -> None:
        super().__init__(scope, construct_id)
        function = PlatformFunction(
            # In the stack itself, where it is found by its name.
            scope,
            NAME,
            fleet=fleet,
            description="Looks after the timers of patterns, and ends the storms of alerts.",
            memory_mb=512,
            timeout=Duration.minutes(5),
        )
        Schedule(
            self,
            "Times",
            fleet=fleet,
            expression="rate(1 minute)",
            description="The timers of patterns whose moment has come.",
            function=function,
            payload="{}",
        )
        if fleet.alarms is None:
            return
        alarm_on(
            self,
            "Late",
            metric=greatest(fleet.settings.name, NAME, LATE_SECONDS, Duration.minutes(5)),
            threshold=_LATE.to_seconds(),
            description="Absences are told long after they were due: more timers fall due than a sweep gets through.",
            runbook="timers-late",
            topic=fleet.alarms,
        )
        alarm_on_no_calls(
            self,
            "NotCalled",
            function=function.function,
            description="Nothing looks after the timers of patterns: absences are not told.",
            topic=fleet.alarms,
        )
