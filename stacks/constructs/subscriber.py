"""A subscriber of the bus: a rule, the queue that it fills, and where messages go that nobody could handle."""

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.constructs.alarms import alarm_on
from stacks.environment import EnvironmentSettings, Omission

ATTEMPTS = 5
KEPT = Duration.days(14)


class SubscriberQueue(Construct):
    """Every routed event, at least once; `detail.eventId` is the key by which a subscriber drops repeats."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: EnvironmentSettings,
        bus: events.IEventBus,
        source: str,
        alarms: sns.ITopic | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.dead_letters = self._queue("DeadLetters")
        self.queue = self._queue(
            "Queue", dead_letters=sqs.DeadLetterQueue(max_receive_count=ATTEMPTS, queue=self.dead_letters)
        )
        events.Rule(
            self,
            "Rule",
            event_bus=bus,
            description="Routed events to the subscriber's queue.",
            event_pattern=events.EventPattern(source=[source]),
            targets=[
                targets.SqsQueue(
                    self.queue,
                    dead_letter_queue=None
                    if settings.omits(Omission.TARGET_DEAD_LETTERS)
                    else self.dead_letters,
                    max_event_age=Duration.hours(24),
                )
            ],
        )
        if alarms is not None:
            alarm_on(
                self,
                "DeadLettersNotEmpty",
                metric=self.dead_letters.metric_approximate_number_of_messages_visible(),
                threshold=1,
                description="A routed event could not be delivered or handled; it is in the subscriber's dead letters.",
                topic=alarms,
            )

    def _queue(self, construct_id: str, *, dead_letters: sqs.DeadLetterQueue | None = None) -> sqs.Queue:
        return sqs.Queue(
            self,
            construct_id,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=KEPT,
            visibility_timeout=Duration.seconds(60),
            dead_letter_queue=dead_letters,
        )
