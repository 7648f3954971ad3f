"""Reconciliation: a function that compares every store with every other, its times, and the alarm on what stays open."""

import json

from aws_cdk import Duration
from constructs import Construct

from millrace.feeders.binding import orgs
from millrace.reconcile.report import LATE, LEFT, OPEN, TILES_LOST
from stacks.constructs.alarms import alarm_on, greatest
from stacks.constructs.fleet import Fleet
from stacks.constructs.lake_functions import ICEBERG, LONGEST
from stacks.constructs.platform_function import ONE_PROCESSOR_MB, PlatformFunction
from stacks.constructs.schedule import Schedule

NAME = "reconcile_events"


class Reconciliation(Construct):
    """Every environment has the function; where it has no schedule, only `millrace reconcile` calls it."""

    def __init__(self, scope: Construct, construct_id: str, *, fleet: Fleet) -> None:
        super().__init__(scope, construct_id)
        function = PlatformFunction(
            # In the stack itself, where `millrace reconcile` finds it by its name.
            scope,
            NAME,
            fleet=fleet,
            description="Compares what every store has of each hour, and repairs what is missing.",
            memory_mb=ONE_PROCESSOR_MB,
            # Ids are kept in /tmp, 20 bytes an event and store.
            storage_mb=4096,
            timeout=LONGEST,
            layers=ICEBERG,
            variables={"bound_orgs": orgs(fleet.bindings)},
        )
        times = fleet.settings.lakehouse.reconcile
        if times is None:
            return
        for name, expression, description in (
            ("hourly", times.hourly, "The last hours that are closed, in every store."),
            ("daily", times.daily, "The last week, and every 28th day before it, in every store."),
        ):
            Schedule(
                self,
                name.title(),
                fleet=fleet,
                expression=expression,
                description=description,
                function=function,
                payload=json.dumps({"pass": name}),
            )
        self._watch(fleet)

    def _watch(self, fleet: Fleet) -> None:
        if fleet.alarms is None:
            return
        for name, metric, runbook, description in (
            (
                "Open",
                OPEN,
                "reconcile-open",
                "Events are missing in a store and cannot be put there: millrace reconcile lists which and why.",
            ),
            (
                "Tiles",
                TILES_LOST,
                "seals",
                "Tiles of a sealed day are lost until the next seal: millrace reconcile lists which.",
            ),
            (
                "Left",
                LEFT,
                "reconcile-left",
                "Reconciliation did not get through every tenant's day; the next pass starts with the rest.",
            ),
            (
                "Late",
                LATE,
                "sources-late",
                "A source has brought nothing for longer than its file says: millrace sources list says which.",
            ),
        ):
            alarm_on(
                self,
                name,
                metric=greatest(fleet.settings.name, NAME, metric, Duration.hours(1)),
                threshold=1,
                description=description,
                runbook=runbook,
                topic=fleet.alarms,
            )
