"""A queue with its dead letters, an alarm on them, and the function that it feeds."""

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.constructs.alarms import alarm_on
from stacks.constructs.fleet import Fleet
from stacks.constructs.platform_function import PlatformFunction
from stacks.omissions import Omission

KEPT = Duration.days(14)


class DeadLetteredQueue(Construct):
    """A message that is received too often without being deleted goes to the dead letters, and alarms."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        fleet: Fleet,
        receive_count: int,
        visibility: Duration,
        alarm: str,
    ) -> None:
        """Makes both queues.

        Args:
            scope: the stack.
            construct_id: its name there.
            fleet: the stack's.
            receive_count: how often a message is received before it is a dead letter.
            visibility: how long whoever received a message has for it; six times its timeout for a function.
            alarm: what has happened when there are dead letters.
        """
        super().__init__(scope, construct_id)
        self._fleet = fleet
        self.dead_letters = self._queue("DeadLetters", visibility)
        self.queue = self._queue(
            "Queue",
            visibility,
            dead_letters=sqs.DeadLetterQueue(max_receive_count=receive_count, queue=self.dead_letters),
        )
        if fleet.alarms is not None:
            alarm_on(
                self,
                "DeadLettersNotEmpty",
                metric=self.dead_letters.metric_approximate_number_of_messages_visible(),
                threshold=1,
                description=alarm,
                runbook="queue-dead-letters",
                topic=fleet.alarms,
            )

    def target(self, message: events.RuleTargetInput | None = None) -> targets.SqsQueue:
        """The queue as the target of a bus's rule; what cannot be delivered within a day is a dead letter too."""
        omitted = self._fleet.settings.omits(Omission.TARGET_DEAD_LETTERS)
        return targets.SqsQueue(
            self.queue,
            message=message,
            dead_letter_queue=None if omitted else self.dead_letters,
            max_event_age=Duration.hours(24),
        )

    def feed(
        self, function: PlatformFunction, *, batch_size: int, item_failures: bool = False
    ) -> lambda_.EventSourceMapping:
        """Calls a function with the queue's messages.

        Args:
            function: what handles them.
            batch_size: messages a call at most.
            item_failures: whether the function's answer names the messages to retry; else a batch is retried whole.
        """
        function.role.allow(
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
            on=[self.queue.queue_arn],
        )
        return lambda_.EventSourceMapping(
            self,
            "Mapping",
            target=function.function,
            event_source_arn=self.queue.queue_arn,
            batch_size=batch_size,
            report_batch_item_failures=item_failures or None,
        )

    def _queue(
        self, construct_id: str, visibility: Duration, *, dead_letters: sqs.DeadLetterQueue | None = None
    ) -> sqs.Queue:
        return sqs.Queue(
            self,
            construct_id,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=KEPT,
            visibility_timeout=visibility,
            dead_letter_queue=dead_letters,
        )
