"""What is made of events while they come, minute by minute: tiles of aggregates, and anomalies of them."""

from dataclasses import dataclass
from pathlib import Path

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from millrace.aggregates import folding
from millrace.alerts.alert import RAISED
from millrace.alerts.rows import METRICS
from millrace.anomalies import run
from millrace.core.metrics import NAMESPACE
from stacks.constructs.alarms import alarm_on
from stacks.constructs.audit_keeping import AuditKeeping
from stacks.constructs.platform_function import ONE_PROCESSOR_MB, PlatformFunction
from stacks.constructs.schedule import Schedule
from stacks.network import NetworkStack
from stacks.platform_stack import PlatformStack
from stacks.storage import StorageStack

EACH_MINUTE, EACH_TWO_MINUTES = "rate(1 minute)", "rate(2 minutes)"
FIVE_MINUTES, HOUR = Duration.minutes(5), Duration.hours(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricAlarm:
    """An alarm on a metric that a function writes into its log: at the threshold in each of so many periods; without data too, if `silence_alarms`."""

    name: str
    service: str
    metric: str
    threshold: float
    description: str
    runbook: str
    period: Duration = FIVE_MINUTES
    periods: int = 1
    statistic: str = cloudwatch.Stats.MAXIMUM
    silence_alarms: bool = False


ALARMS = (
    MetricAlarm(
        name="TilesBehind",
        service="fold_tiles",
        metric=folding.LAG,
        threshold=15 * 60,
        periods=3,
        silence_alarms=True,
        description="Tiles are behind, or nothing folds them: reads fold the facts of every minute since themselves.",
        runbook="tiles",
    ),
    # A minute that fails is tried once an hour, so one period has to do.
    MetricAlarm(
        name="FoldsFail",
        service="fold_tiles",
        metric=folding.FAILED,
        threshold=1,
        description="Minutes of a tenant cannot be folded; their reads fall back on facts.",
        runbook="tiles",
    ),
    MetricAlarm(
        name="EventsLate",
        service="fold_tiles",
        metric=folding.LATE_SHARE,
        threshold=5,
        periods=3,
        description="A twentieth of the events and more come too late for their windows, which lack them.",
        runbook="late-events",
    ),
    MetricAlarm(
        name="WatchBehind",
        service="watch_anomalies",
        metric=run.LAG,
        threshold=2 * 3600,
        periods=3,
        silence_alarms=True,
        description="Hours are not judged: nothing has been counted of any tenant since, or the watch does not get through.",
        runbook="anomalies",
    ),
    MetricAlarm(
        name="WatchesMissed",
        service="watch_anomalies",
        metric=run.MISSED,
        threshold=1,
        period=HOUR,
        periods=2,
        description="The series of some tenants are not judged.",
        runbook="anomalies",
    ),
    MetricAlarm(
        name="ManyAlerts",
        service="analyze_events",
        metric=METRICS[RAISED],
        threshold=200,
        period=HOUR,
        statistic=cloudwatch.Stats.SUM,
        description="Two hundred alerts and more were raised within an hour: a rule may be wrong.",
        runbook="many-alerts",
    ),
)


class RealTimeStack(PlatformStack):
    """Functions that are called by the minute, on what `analyze_events` leaves."""

    third_party = ("runtime", "sketches")

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        storage: StorageStack,
        layers: Path,
        network: NetworkStack | None,
    ) -> None:
        super().__init__(scope, construct_id, storage=storage, layers=layers, network=network)
        self._called(
            "fold_tiles",
            expression=EACH_MINUTE,
            most=Duration.minutes(2),
            does="Folds the facts of each minute that is over into tiles of aggregates.",
            of="Minutes that are over, into tiles.",
        )
        self._called(
            "watch_anomalies",
            expression=EACH_TWO_MINUTES,
            most=Duration.minutes(5),
            does="Compares each tenant's series with past weeks, and raises and ends alerts.",
            of="Hours that are over, and silences.",
        )
        AuditKeeping(self, "Audit", fleet=self.fleet)
        self._watch()

    def _called(self, name: str, *, expression: str, most: Duration, does: str, of: str) -> None:
        """A function that may take so long, and its schedule: what it does, and of what."""
        function = PlatformFunction(
            self,
            name,
            fleet=self.fleet,
            description=does,
            memory_mb=ONE_PROCESSOR_MB,
            timeout=most,
            layers=self.third_party,
        )
        Schedule(
            self,
            "".join(part.title() for part in name.split("_")),
            fleet=self.fleet,
            expression=expression,
            description=of,
            function=function,
            payload="{}",
        )

    def _watch(self) -> None:
        topic = self.fleet.alarms
        if topic is None:
            return
        for alarm in ALARMS:
            alarm_on(
                self,
                alarm.name,
                metric=cloudwatch.Metric(
                    namespace=NAMESPACE,
                    metric_name=alarm.metric,
                    dimensions_map={"environment": self.settings.name, "service": alarm.service},
                    statistic=alarm.statistic,
                    period=alarm.period,
                ),
                threshold=alarm.threshold,
                description=alarm.description,
                runbook=alarm.runbook,
                topic=topic,
                periods=alarm.periods,
                silence_alarms=alarm.silence_alarms,
            )
