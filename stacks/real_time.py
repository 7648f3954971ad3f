"""What is made of events while they come, minute by minute: tiles of aggregates, and anomalies of them."""

from pathlib import Path

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from millrace.aggregates.folding import FAILED, LAG
from millrace.core.metrics import NAMESPACE
from stacks.constructs.alarms import alarm_on
from stacks.constructs.platform_function import ONE_PROCESSOR_MB, PlatformFunction
from stacks.constructs.schedule import Schedule
from stacks.platform_stack import PlatformStack
from stacks.storage import StorageStack

EACH_MINUTE, EACH_TWO_MINUTES = "rate(1 minute)", "rate(2 minutes)"
LAG_ALARM = Duration.minutes(15)


class RealTimeStack(PlatformStack):
    """Functions that are called by the minute, on what `analyze_events` leaves."""

    third_party = ("runtime", "sketches")

    def __init__(self, scope: Construct, construct_id: str, *, storage: StorageStack, layers: Path) -> None:
        super().__init__(scope, construct_id, storage=storage, layers=layers)
        fold = PlatformFunction(
            self,
            "fold_tiles",
            fleet=self.fleet,
            description="Folds the facts of each minute that is over into tiles of aggregates.",
            memory_mb=ONE_PROCESSOR_MB,
            timeout=Duration.minutes(2),
            layers=("runtime", "sketches"),
        )
        Schedule(
            self,
            "FoldTiles",
            fleet=self.fleet,
            expression=EACH_MINUTE,
            description="Minutes that are over, into tiles.",
            function=fold,
            payload="{}",
        )
        anomalies = PlatformFunction(
            self,
            "watch_anomalies",
            fleet=self.fleet,
            description="Compares each tenant's series with past weeks, and raises and ends alerts.",
            memory_mb=ONE_PROCESSOR_MB,
            timeout=Duration.minutes(5),
            layers=("runtime", "sketches"),
        )
        Schedule(
            self,
            "WatchAnomalies",
            fleet=self.fleet,
            expression=EACH_TWO_MINUTES,
            description="Hours that are over, and silences.",
            function=anomalies,
            payload="{}",
        )
        self._watch()

    def _watch(self) -> None:
        if self.fleet.alarms is None:
            return
        for name, metric, threshold, description in (
            (
                "TilesBehind",
                LAG,
                LAG_ALARM.to_seconds(),
                "Tiles are behind: reads fold the facts of every minute since themselves.",
            ),
            ("FoldsFail", FAILED, 1, "Minutes of a tenant cannot be folded; their reads fall back on facts."),
        ):
            alarm_on(
                self,
                name,
                metric=cloudwatch.Metric(
                    namespace=NAMESPACE,
                    metric_name=metric,
                    dimensions_map={"environment": self.settings.name, "service": "fold_tiles"},
                    statistic=cloudwatch.Stats.MAXIMUM,
                    period=Duration.minutes(5),
                ),
                threshold=threshold,
                description=description,
                runbook="tiles",
                topic=self.fleet.alarms,
                periods=3,
            )
