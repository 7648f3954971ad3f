"""Capture of the Events table into the log, opened and awaited at every deploy that changes code or contracts."""

from aws_cdk import CustomResource, Duration
from constructs import Construct

from stacks.constructs.fleet import Fleet
from stacks.constructs.platform_function import PlatformFunction

TIMEOUT = Duration.minutes(5)


class Capture(Construct):
    """Calls `open_capture` and is complete when the table's streaming destination is ACTIVE.

    The table's template names the destination too, but a template that was applied does not say that the
    destination is active, nor does it come back after a table was restored.
    """

    def __init__(self, scope: Construct, construct_id: str, *, fleet: Fleet) -> None:
        super().__init__(scope, construct_id)
        opener = PlatformFunction(
            self,
            "open_capture",
            fleet=fleet,
            description="Enables the Events table's streaming destination and waits until it is active.",
            memory_mb=256,
            timeout=TIMEOUT,
        )
        opener.role.allow_wildcard(
            "ListStreams",
            "kinesis:ListStreams",
            on="*",
            reason="DynamoDB asks it of whoever enables a destination, and the action takes no resource.",
        )
        self.resource = CustomResource(
            self,
            "Opened",
            resource_type="Custom::OpenCapture",
            service_token=opener.function.function_arn,
            # The function answers before its own time is up, so this only ends what never answers.
            service_timeout=TIMEOUT.plus(Duration.minutes(1)),
            properties={
                "EventsTable": fleet.storage.events.table_name,
                "EventStreamArn": fleet.storage.stream.stream_arn,
                "Revision": fleet.layers.revision,
            },
        )
        self.resource.node.add_dependency(opener)
