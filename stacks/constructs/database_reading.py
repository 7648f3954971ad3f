"""Databases as sources: a function that reads them, a schedule a source, and alarms on what a source does not bring."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct, IDependable

from millrace.cdc import reading
from millrace.core.metrics import NAMESPACE
from millrace.feeders.binding import Binding
from stacks.constructs.alarms import alarm_on
from stacks.constructs.fleet import Fleet
from stacks.constructs.platform_function import ONE_PROCESSOR_MB, PROTECTING, PlatformFunction
from stacks.constructs.schedule import Schedule
from stacks.errors import SettingsError

RUNBOOK = "databases"
EACH_MINUTE = "rate(1 minute)"
FIVE_MINUTES = Duration.minutes(5)
BEHIND_SECONDS, LOG_BYTES = 15 * 60, 5 << 30


class DatabaseReading(Construct):
    """Every environment has the function; schedules and alarms are those of its sources.

    Attributes:
        function: it.
    """

    def __init__(self, scope: Construct, construct_id: str, *, fleet: Fleet, after: IDependable) -> None:
        """Makes them; `after` is what has to be in place before the first event.

        Raises:
            SettingsError: a database is a source, and the function could reach none.
        """
        super().__init__(scope, construct_id)
        sources = [one for one in fleet.bindings if one.postgres is not None]
        if sources and fleet.network is not None and fleet.settings.database_network is None:
            raise SettingsError(
                f"{fleet.settings.name}: the functions lie in a network from which no database can be reached, and "
                f"{sources[0].name} is one: set database_network"
            )
        self.function = PlatformFunction(
            scope,
            reading.SERVICE,
            fleet=fleet,
            description="Reads databases that are sources: the rows of their tables, then every change, through intake.",
            memory_mb=ONE_PROCESSOR_MB,
            # A run that is not over when the next is called has the lease, and that one ends at once.
            timeout=Duration.minutes(10),
            layers=(*PROTECTING, "postgres"),
            place=fleet.settings.database_network,
        )
        for source in sources:
            self._read(source, fleet, after)

    def _read(self, source: Binding, fleet: Fleet, after: IDependable) -> None:
        name = "".join(part.title() for part in source.name.split("-"))
        Schedule(
            self,
            name,
            fleet=fleet,
            expression=EACH_MINUTE,
            description=f"The database of the source {source.name}.",
            function=self.function,
            payload=f'{{"source": "{source.name}"}}',
        ).node.add_dependency(after)
        if fleet.alarms is None:
            return
        of = {"environment": fleet.settings.name, "service": reading.SERVICE, reading.SOURCE: source.name}
        for metric, threshold, silence, does in (
            (reading.HALTED, 1, True, "is stopped, paused, or not read at all: its changes wait"),
            (reading.BEHIND, BEHIND_SECONDS, False, "brings changes a quarter of an hour late"),
            (reading.LOG, LOG_BYTES, False, "has its server keep 5 GB of the log"),
        ):
            alarm_on(
                self,
                f"{name}{metric}",
                metric=cloudwatch.Metric(
                    namespace=NAMESPACE,
                    metric_name=metric,
                    dimensions_map=of,
                    statistic=cloudwatch.Stats.MAXIMUM,
                    period=FIVE_MINUTES,
                ),
                threshold=threshold,
                description=f"The source {source.name} {does}.",
                runbook=RUNBOOK,
                topic=fleet.alarms,
                periods=3,
                silence_alarms=silence,
            )
