"""A subscriber of the bus: a rule, the queue that it fills, and where messages go that nobody could handle."""

from aws_cdk import Duration
from aws_cdk import aws_events as events
from constructs import Construct

from stacks.constructs.dead_lettered_queue import DeadLetteredQueue
from stacks.constructs.fleet import Fleet


class SubscriberQueue(DeadLetteredQueue):
    """Every routed event, at least once; `detail.eventId` is the key by which a subscriber drops repeats."""

    def __init__(self, scope: Construct, construct_id: str, *, fleet: Fleet, source: str) -> None:
        """Makes the queue and its rule; `source` is the name under which events are routed."""
        super().__init__(
            scope,
            construct_id,
            fleet=fleet,
            receive_count=5,
            visibility=Duration.seconds(60),
            alarm="A routed event could not be delivered or handled; it is in the subscriber's dead letters.",
        )
        events.Rule(
            self,
            "Rule",
            event_bus=fleet.storage.bus,
            description="Routed events to the subscriber's queue.",
            event_pattern=events.EventPattern(source=[source]),
            targets=[self.target()],
        )
