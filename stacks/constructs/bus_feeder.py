"""EventBridge as a way in: sources of the environment, each with its tenant, into one queue before intake."""

from aws_cdk import Duration
from aws_cdk import aws_events as events
from constructs import Construct, IDependable

from millrace.feeders.binding import Binding, BusRule
from stacks.constructs.dead_lettered_queue import DeadLetteredQueue
from stacks.constructs.fleet import Fleet
from stacks.constructs.platform_function import PlatformFunction


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
        for binding in fleet.bindings:
            if binding.bus is not None:
                self._bind(binding, binding.bus, fleet.storage.bus)
        self.feed(function, batch_size=10, item_failures=True).node.add_dependency(after)

    def _bind(self, binding: Binding, rule: BusRule, platform_bus: events.IEventBus) -> None:
        field = events.EventField
        message = {
            "org": binding.org,
            "binding": binding.name,
            "eventType": rule.event_type or "",
            "id": field.event_id,
            "source": field.source,
            "time": field.time,
            "detail": field.from_path("$.detail"),
        }
        events.Rule(
            self,
            binding.name,
            event_bus=self._bus(binding.name, rule, platform_bus),
            description=f"{rule.source} for {binding.org}",
            event_pattern=events.EventPattern(
                source=[rule.source], detail_type=list(rule.detail_types) or None
            ),
            targets=[self.target(events.RuleTargetInput.from_object(message))],
        )

    def _bus(self, name: str, rule: BusRule, platform_bus: events.IEventBus) -> events.IEventBus | None:
        if rule.bus == "platform":
            return platform_bus
        if rule.bus == "default":
            return None
        return events.EventBus.from_event_bus_name(self, f"{name}Bus", rule.bus)
