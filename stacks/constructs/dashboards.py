"""Two dashboards: requests and their answers, and events on their way behind intake."""

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from constructs import Construct

from millrace.aggregates import folding
from millrace.alerts.rows import METRICS
from millrace.anomalies import run
from millrace.canary.journey import paths
from millrace.canary.report import FAILED, metric_name
from millrace.core.metrics import NAMESPACE
from millrace.patterns.sweep import DUE, LATE_SECONDS, UNKNOWN
from stacks.constructs.dead_letter_alarm import dead_letters
from stacks.constructs.platform_function import PlatformFunction

PERIOD = Duration.minutes(5)
SUM, MAXIMUM, P99 = cloudwatch.Stats.SUM, cloudwatch.Stats.MAXIMUM, "p99"
WIDTH = 8


def logged_metric(name: str, service: str, environment: str, statistic: str = SUM) -> cloudwatch.Metric:
    """A metric that a function writes into its log."""
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map={"environment": environment, "service": service},
        statistic=statistic,
        period=PERIOD,
        label=name,
    )


class PlatformOverview(Construct):
    """Requests and their answers, intake, the Events table, the canary."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        api: apigateway.IHttpApi,
        functions: Mapping[str, PlatformFunction],
        events: dynamodb.ITable,
    ) -> None:
        super().__init__(scope, construct_id)
        writes = cloudwatch.Metric(
            namespace="AWS/DynamoDB",
            metric_name="ConsumedWriteCapacityUnits",
            dimensions_map={"TableName": events.table_name},
            statistic=SUM,
            period=PERIOD,
        )
        _dashboard(
            self,
            f"millrace-{environment}-platform-overview",
            [
                _graph("Requests", [_api(api, "Count", SUM)]),
                _graph("Answers 4xx and 5xx", [_api(api, "4xx", SUM), _api(api, "5xx", SUM)]),
                _graph("Milliseconds to an answer", [_api(api, "Latency", "p50"), _api(api, "Latency", P99)]),
                _graph("Calls of functions", [_of(f, "Invocations", SUM) for f in functions.values()]),
                _graph("Errors of functions", [_of(f, "Errors", SUM) for f in functions.values()]),
                _graph(
                    "Milliseconds of functions, p99", [_of(f, "Duration", P99) for f in functions.values()]
                ),
                _graph("Write units of Events", [writes]),
                _graph(
                    "Canary: paths that failed", [logged_metric(FAILED, "send_canary", environment, MAXIMUM)]
                ),
                _graph(
                    "Canary: milliseconds to arrival",
                    [
                        logged_metric(metric_name(path), "send_canary", environment, MAXIMUM)
                        for path in ("http", *paths())
                    ],
                ),
            ],
        )


class DataPipeline(Construct):
    """The log and its consumers, dead letters, and the runs of the lakehouse."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        stream: kinesis.IStream,
        consumers: Sequence[PlatformFunction],
    ) -> None:
        super().__init__(scope, construct_id)

        def of_runs(*names: str) -> list[cloudwatch.IMetric]:
            return [logged_metric(name, "publish_run", environment) for name in names]

        _dashboard(
            self,
            f"millrace-{environment}-data-pipeline",
            [
                _graph(
                    "Records into the log", [stream.metric_incoming_records(period=PERIOD, statistic=SUM)]
                ),
                _graph(
                    "Milliseconds behind", [_of(function, "IteratorAge", MAXIMUM) for function in consumers]
                ),
                _graph("Errors of consumers", [_of(function, "Errors", SUM) for function in consumers]),
                _graph("Dead letters", [dead_letters(f.node.id, environment) for f in consumers]),
                _graph(
                    "Tiles: seconds behind",
                    [logged_metric(folding.LAG, "fold_tiles", environment, MAXIMUM)],
                ),
                _graph(
                    "Events that were counted, and too late to be",
                    [
                        logged_metric(name, "fold_tiles", environment)
                        for name in (folding.EVENTS, folding.LATE, folding.FAILED)
                    ],
                ),
                _graph(
                    "Percent of events too late",
                    [logged_metric(folding.LATE_SHARE, "fold_tiles", environment, MAXIMUM)],
                ),
                _graph("Rows of runs", of_runs("RowsIn", "Rows", "Duplicates", "DeadRows")),
                _graph("Checks that did not pass", of_runs("ChecksFailed", "ChecksWarned", "TablesStale")),
                _graph(
                    "Tenant-days",
                    of_runs("TenantDays", "TenantDaysRemaining", "TenantDaysSetAside", "NotLanded"),
                ),
                _graph(
                    "Seconds of a run", [logged_metric("RunSeconds", "publish_run", environment, MAXIMUM)]
                ),
                _graph("Runs that failed", of_runs("RunsFailed")),
                _graph(
                    "Alerts",
                    [logged_metric(name, "analyze_events", environment) for name in METRICS.values()],
                ),
                _graph(
                    "Timers that were due, and those of which nobody knows",
                    [logged_metric(name, "sweep_timers", environment) for name in (DUE, UNKNOWN)],
                ),
                _graph(
                    "Seconds that they were late",
                    [logged_metric(LATE_SECONDS, "sweep_timers", environment, MAXIMUM)],
                ),
                _graph(
                    "Series that are watched, anomalies that began, tenants that were missed",
                    [logged_metric(run.SERIES, "watch_anomalies", environment, MAXIMUM)]
                    + [
                        logged_metric(name, "watch_anomalies", environment)
                        for name in (run.BEGUN, run.MISSED)
                    ],
                ),
                _graph(
                    "Watch: seconds behind",
                    [logged_metric(run.LAG, "watch_anomalies", environment, MAXIMUM)],
                ),
            ],
        )


def _dashboard(scope: Construct, name: str, graphs: list[cloudwatch.IWidget]) -> None:
    rows = [graphs[start : start + 3] for start in range(0, len(graphs), 3)]
    cloudwatch.Dashboard(scope, "Dashboard", dashboard_name=name, widgets=rows)


def _graph(title: str, metrics: Sequence[cloudwatch.IMetric]) -> cloudwatch.IWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=WIDTH)


def _of(function: PlatformFunction, name: str, statistic: str) -> cloudwatch.IMetric:
    return function.function.metric(name, statistic=statistic, period=PERIOD, label=function.node.id)


def _api(api: apigateway.IHttpApi, name: str, statistic: str) -> cloudwatch.IMetric:
    return cloudwatch.Metric(
        namespace="AWS/ApiGateway",
        metric_name=name,
        dimensions_map={"ApiId": api.api_id},
        statistic=statistic,
        period=PERIOD,
        label=f"{name} {statistic}",
    )
