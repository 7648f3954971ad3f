"""The sealing of aggregates' days: a worker, its machine, and alarms on what it finds."""

from aws_cdk import Duration
from constructs import Construct

from millrace.aggregates.seal_days import DIFFERENT, FAILED
from stacks.constructs.alarms import alarm_on, greatest
from stacks.constructs.fleet import Fleet
from stacks.constructs.lake_functions import worker
from stacks.constructs.platform_function import PlatformFunction
from stacks.constructs.state_machine import PlatformStateMachine

NAME = "seal_tiles"


class Sealing(Construct):
    """The machine `seal_tiles`, as `machine`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        fleet: Fleet,
        pin_sources: PlatformFunction,
        values: dict[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        function = worker(
            # The machine has this name in the stack.
            self,
            NAME,
            "Seals the days of aggregates of a portion of the tenants, from silver.",
            fleet=fleet,
            layers=("runtime", "duckdb", "sketches"),
        )
        self.machine = PlatformStateMachine(
            scope, NAME, fleet=fleet, functions=[pin_sources, function], values=values
        )
        if fleet.alarms is None:
            return
        for name, metric, description in (
            ("Different", DIFFERENT, "The stream counted other numbers than silver has; silver's count."),
            ("Failed", FAILED, "Days of aggregates cannot be sealed; their live parts go after 14 days."),
        ):
            alarm_on(
                self,
                name,
                metric=greatest(fleet.settings.name, NAME, metric, Duration.hours(1)),
                threshold=1,
                description=description,
                runbook="seals",
                topic=fleet.alarms,
            )
