"""Events that wait for a contract, replayed after each deploy that changes the contracts."""

from aws_cdk import CustomResource, Duration
from constructs import Construct

from millrace.core.uses import Resource
from millrace.feeders.binding import orgs
from stacks.constructs.dead_lettered_queue import DeadLetteredQueue
from stacks.constructs.fleet import Fleet
from stacks.constructs.grants import Deployed
from stacks.constructs.platform_function import ONE_PROCESSOR_MB, PROTECTING, PlatformFunction

TIMEOUT = Duration.minutes(2)


class WaitingReplay(DeadLetteredQueue):
    """Calls `replay_waiting`, which queues the replay and answers; the replay itself does not hold up the deploy."""

    def __init__(self, scope: Construct, construct_id: str, *, fleet: Fleet) -> None:
        super().__init__(
            scope,
            construct_id,
            fleet=fleet,
            receive_count=8,
            visibility=Duration.seconds(6 * TIMEOUT.to_seconds()),
            alarm="A tenant's replay after a deploy did not finish; the next deploy starts it anew.",
        )
        self.function = PlatformFunction(
            self,
            "replay_waiting",
            fleet=fleet,
            description="Replays the events that waited for a contract through intake, once it is deployed.",
            layers=PROTECTING,
            memory_mb=ONE_PROCESSOR_MB,
            timeout=TIMEOUT,
            variables={"bound_orgs": orgs(fleet.bindings)},
            resources={Resource("queue", "waiting"): Deployed(self.queue.queue_url, self.queue.queue_arn)},
        )
        # A message is the task of one tenant: its failure delays no other's.
        mapping = self.feed(self.function, batch_size=1)
        self.resource = CustomResource(
            self,
            "Replayed",
            resource_type="Custom::ReplayWaiting",
            service_token=self.function.function.function_arn,
            service_timeout=TIMEOUT.plus(Duration.minutes(1)),
            properties={"Revision": fleet.layers.revision},
        )
        self.resource.node.add_dependency(self.function, mapping)
