"""What keeps the audit, and what watches it: every chain is verified and anchored once a day, and asked by Sigma rules once an hour.

So is the gateway's access log. With the walk of a day over tenants it looks at what people have asked for, and raises alerts of what is due.
"""

from aws_cdk import Duration
from constructs import Construct

from stacks.constructs.fleet import Fleet
from stacks.constructs.platform_function import PlatformFunction
from stacks.constructs.schedule import Schedule

NAME = "keep_audit"
DAILY = "cron(10 0 * * ? *)"
WATCH = "watch_audit"
HOURLY = "cron(35 * * * ? *)"


class AuditKeeping(Construct):
    """The functions and their schedules; their alarms are those on their errors. A chain that was changed is an error of the first."""

    def __init__(self, scope: Construct, construct_id: str, *, fleet: Fleet) -> None:
        super().__init__(scope, construct_id)
        for name, times, expression, most, does in (
            (
                NAME,
                "Daily",
                DAILY,
                15,
                "Verifies and anchors the chains of the audit, and tells of requests of people that are due.",
            ),
            (
                WATCH,
                "Hourly",
                HOURLY,
                5,
                "Asks new lines of the audit and of the access log what Sigma rules they match.",
            ),
        ):
            function = PlatformFunction(
                # In the stack itself, where it is found by its name.
                scope,
                name,
                fleet=fleet,
                description=does,
                memory_mb=512,
                timeout=Duration.minutes(most),
            )
            Schedule(
                self,
                times,
                fleet=fleet,
                expression=expression,
                description=does,
                function=function,
                payload="{}",
            )
