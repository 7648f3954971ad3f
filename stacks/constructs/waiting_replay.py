"""Events that wait for a contract, replayed after each deploy that changes the contracts."""

from aws_cdk import CustomResource, Duration
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.constructs.alarms import alarm_on
from stacks.constructs.fleet import Fleet
from stacks.constructs.intake_function import IntakeFunction
from stacks.environment import EnvironmentSettings
from stacks.storage import StorageStack

TIMEOUT = Duration.minutes(2)
ATTEMPTS = 8
KEPT = Duration.days(14)


class WaitingReplay(Construct):
    """Calls `replay_waiting`, which queues the replay and answers; what it then does is no part of the deploy."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        fleet: Fleet,
        settings: EnvironmentSettings,
        storage: StorageStack,
    ) -> None:
        super().__init__(scope, construct_id)
        orgs = sorted({binding.org for binding in settings.bus_bindings})
        dead_letters = self._queue("DeadLetters")
        queue = self._queue(
            "Queue", dead_letters=sqs.DeadLetterQueue(max_receive_count=ATTEMPTS, queue=dead_letters)
        )
        function = IntakeFunction(
            self,
            "replay_waiting",
            fleet=fleet,
            storage=storage,
            description="Sends the events that waited for a contract through intake again, once it is there.",
            timeout=TIMEOUT,
            variables={"bound_orgs": ",".join(orgs), "waiting_queue_url": queue.queue_url},
        )
        function.allow_replay(storage)
        function.allow(
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
            "sqs:SendMessage",
            on=[queue.queue_arn],
        )
        mapping = lambda_.EventSourceMapping(
            self,
            "Mapping",
            target=function.function,
            event_source_arn=queue.queue_arn,
            # One tenant's task: what becomes of it is no other's.
            batch_size=1,
        )
        if storage.alarms is not None:
            alarm_on(
                self,
                "DeadLettersNotEmpty",
                metric=dead_letters.metric_approximate_number_of_messages_visible(),
                threshold=1,
                description="A tenant's replay after a deploy did not end; the next deploy begins it again.",
                topic=storage.alarms,
            )
        self.resource = CustomResource(
            self,
            "Replayed",
            resource_type="Custom::ReplayWaiting",
            service_token=function.function.function_arn,
            service_timeout=TIMEOUT.plus(Duration.minutes(1)),
            properties={"Revision": fleet.layers.revision},
        )
        self.resource.node.add_dependency(function, mapping)

    def _queue(self, construct_id: str, *, dead_letters: sqs.DeadLetterQueue | None = None) -> sqs.Queue:
        return sqs.Queue(
            self,
            construct_id,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=KEPT,
            visibility_timeout=Duration.seconds(6 * TIMEOUT.to_seconds()),
            dead_letter_queue=dead_letters,
        )
