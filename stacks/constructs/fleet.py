"""What the functions of one stack share."""

from pathlib import Path

from aws_cdk import Duration
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.constructs.alarms import alarm_on
from stacks.constructs.layers import FunctionLayers
from stacks.constructs.waivers import waive
from stacks.environment import EnvironmentSettings


class Fleet(Construct):
    """The layers, the queue for failed asynchronous invocations, and where alarms go."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: EnvironmentSettings,
        third_party: tuple[str, ...],
        layers: Path,
        alarms: sns.ITopic | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.settings = settings
        self.alarms = alarms
        self.layers = FunctionLayers(
            self, "Layers", settings=settings, third_party=third_party, folder=layers
        )
        self.failures = sqs.Queue(
            self,
            "FailedInvocations",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        waive(
            self.failures,
            "SQS3",
            "This queue is where failed invocations end; nothing reads from it but people.",
        )
        if alarms is not None:
            alarm_on(
                self.failures,
                "NotEmpty",
                metric=self.failures.metric_approximate_number_of_messages_visible(),
                threshold=1,
                description="An asynchronous invocation failed to the end; its event is in this queue.",
                topic=alarms,
            )
