"""EventBridge as a way in: bindings of the environment, each with its tenant, into one queue before intake."""

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.constructs.alarms import alarm_on
from stacks.constructs.platform_function import PlatformFunction
from stacks.environment import BusBinding, EnvironmentSettings, Omission

ATTEMPTS = 20
KEPT = Duration.days(14)
BATCH = 10


class BusFeeder(Construct):
    """A rule for each binding; its input transformer writes the tenant into the message, where no sender can."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: EnvironmentSettings,
        platform_bus: events.IEventBus,
        function: PlatformFunction,
        alarms: sns.ITopic | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings, self._platform_bus = settings, platform_bus
        self.dead_letters = self._queue("DeadLetters")
        self.queue = self._queue(
            "Queue", dead_letters=sqs.DeadLetterQueue(max_receive_count=ATTEMPTS, queue=self.dead_letters)
        )
        for binding in settings.bus_bindings:
            self._bind(binding)
        function.allow(
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
            on=[self.queue.queue_arn],
        )
        lambda_.EventSourceMapping(
            self,
            "Mapping",
            target=function.function,
            event_source_arn=self.queue.queue_arn,
            batch_size=BATCH,
            report_batch_item_failures=True,
        )
        if alarms is not None:
            alarm_on(
                self,
                "DeadLettersNotEmpty",
                metric=self.dead_letters.metric_approximate_number_of_messages_visible(),
                threshold=1,
                description="An event from EventBridge could not be taken; it is in the feeder's dead letters.",
                topic=alarms,
            )

    def _bind(self, binding: BusBinding) -> None:
        field = events.EventField
        message = {
            "org": binding.org,
            "binding": binding.name,
            "eventType": binding.event_type or "",
            "id": field.event_id,
            "source": field.source,
            "time": field.time,
            "detail": field.from_path("$.detail"),
        }
        events.Rule(
            self,
            binding.name,
            event_bus=self._bus(binding),
            description=f"{binding.source} for {binding.org}",
            event_pattern=events.EventPattern(
                source=[binding.source], detail_type=list(binding.detail_types) or None
            ),
            targets=[
                targets.SqsQueue(
                    self.queue,
                    message=events.RuleTargetInput.from_object(message),
                    dead_letter_queue=None
                    if self._settings.omits(Omission.TARGET_DEAD_LETTERS)
                    else self.dead_letters,
                    max_event_age=Duration.hours(24),
                )
            ],
        )

    def _bus(self, binding: BusBinding) -> events.IEventBus | None:
        if binding.bus == "platform":
            return self._platform_bus
        if binding.bus == "default":
            return None
        return events.EventBus.from_event_bus_name(self, f"{binding.name}Bus", binding.bus)

    def _queue(self, construct_id: str, *, dead_letters: sqs.DeadLetterQueue | None = None) -> sqs.Queue:
        return sqs.Queue(
            self,
            construct_id,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=KEPT,
            # Six times the function's timeout, as the guide asks for queues that feed functions.
            visibility_timeout=Duration.seconds(180),
            dead_letter_queue=dead_letters,
        )
