"""EventBridge as a way in: bindings of the environment, each with its tenant, into one queue before intake."""

from aws_cdk import Duration
from aws_cdk import aws_events as events
from constructs import Construct, IDependable

from stacks.constructs.dead_lettered_queue import DeadLetteredQueue
from stacks.constructs.fleet import Fleet
from stacks.constructs.platform_function import PlatformFunction
from stacks.environment import BusBinding


class BusFeeder(DeadLetteredQueue):
    """A rule for each binding; its input transformer writes the tenant into the message, where no sender can."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        fleet: Fleet,
        function: PlatformFunction,
        after: IDependable,
    ) -> None:
        """Makes the queue and the rules that fill it; `after` is what has to be in place before the first event."""
        super().__init__(
            scope,
            construct_id,
            fleet=fleet,
            receive_count=20,
            visibility=Duration.seconds(180),
            alarm="An event from EventBridge could not be taken in; it is in the feeder's dead letters.",
        )
        for binding in fleet.settings.bus_bindings:
            self._bind(binding, fleet.storage.bus)
        self.feed(function, batch_size=10, item_failures=True).node.add_dependency(after)

    def _bind(self, binding: BusBinding, platform_bus: events.IEventBus) -> None:
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
            event_bus=self._bus(binding, platform_bus),
            description=f"{binding.source} for {binding.org}",
            event_pattern=events.EventPattern(
                source=[binding.source], detail_type=list(binding.detail_types) or None
            ),
            targets=[self.target(events.RuleTargetInput.from_object(message))],
        )

    def _bus(self, binding: BusBinding, platform_bus: events.IEventBus) -> events.IEventBus | None:
        if binding.bus == "platform":
            return platform_bus
        if binding.bus == "default":
            return None
        return events.EventBus.from_event_bus_name(self, f"{binding.name}Bus", binding.bus)
