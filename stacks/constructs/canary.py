"""The canary: a function that sends an event down every path, its schedule, and the alarm on what does not arrive."""

from aws_cdk import Duration
from constructs import Construct

from millrace.canary.report import FAILED
from stacks.constructs.alarms import alarm_on, greatest
from stacks.constructs.fleet import Fleet
from stacks.constructs.platform_function import PlatformFunction
from stacks.constructs.schedule import Schedule

WAIT_SECONDS = 60
# Twice in a row: one deploy or one slow moment is not an outage.
PERIODS = 2


class Canary(Construct):
    """Every environment has the function; where it has no schedule, only `millrace doctor` calls it."""

    def __init__(self, scope: Construct, construct_id: str, *, fleet: Fleet, api_url: str) -> None:
        super().__init__(scope, construct_id)
        function = PlatformFunction(
            self,
            "send_canary",
            fleet=fleet,
            description="Sends an event of the platform's own down every path and measures how long each takes.",
            memory_mb=512,
            timeout=Duration.seconds(2 * WAIT_SECONDS),
            variables={
                "api_url": api_url,
                "wait_seconds": str(WAIT_SECONDS),
                # Where alarms wake someone, they show which path failed; elsewhere the log does.
                "each_path": str(fleet.alarms is not None).lower(),
            },
        )
        times = fleet.settings.canary
        if times is None:
            return
        Schedule(
            self,
            "Times",
            fleet=fleet,
            expression=times,
            description="A canary down every path.",
            function=function,
            payload="{}",
        )
        if fleet.alarms is not None:
            alarm_on(
                self,
                "PathsFail",
                metric=greatest(fleet.settings.name, "send_canary", FAILED, Duration.minutes(10)),
                threshold=1,
                description="An event of the platform's own did not arrive, or none was sent: millrace doctor shows where.",
                runbook="canary",
                topic=fleet.alarms,
                periods=PERIODS,
                silence_alarms=True,
            )
