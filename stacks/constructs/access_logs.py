"""The gateway's access log in the lake: CloudWatch Logs hands each batch on to a function, which writes it as it is."""

from aws_cdk import Duration
from aws_cdk import aws_logs as logs
from aws_cdk import aws_logs_destinations as destinations
from constructs import Construct

from stacks.constructs.fleet import Fleet
from stacks.constructs.platform_function import PlatformFunction
from stacks.omissions import Omission


class AccessLogKeeping(Construct):
    """The function, and the subscription where the gateway writes such a log."""

    def __init__(
        self, scope: Construct, construct_id: str, *, fleet: Fleet, access_logs: logs.LogGroup
    ) -> None:
        super().__init__(scope, construct_id)
        function = PlatformFunction(
            # In the stack itself, where it is found by its name.
            scope,
            "keep_access_logs",
            fleet=fleet,
            description="Keeps the access log of the HTTP API in the lake.",
            memory_mb=512,
            timeout=Duration.minutes(1),
        )
        if fleet.settings.omits(Omission.GATEWAY_ACCESS_LOGS):
            return
        logs.SubscriptionFilter(
            self,
            "ToTheLake",
            log_group=access_logs,
            destination=destinations.LambdaDestination(function.function),
            filter_pattern=logs.FilterPattern.all_events(),
        )
