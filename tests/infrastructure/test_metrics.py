"""An alarm or a graph of a metric that nobody writes shows nothing, whatever happens: each has one with its name and dimensions."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from functions.publish_run import handler as publish_run
from functions.reconcile_events import handler as reconcile_events
from functions.seal_tiles import handler as seal_tiles
from functions.send_canary import handler as send_canary
from millrace.aggregates import seal_days
from millrace.aggregates.folding import Folded, Folding
from millrace.anomalies.run import Watched, Watcher
from millrace.canary import report
from millrace.canary.journey import PathCheck, paths
from millrace.catalog import publish
from millrace.core import clock
from millrace.core.metrics import NAMESPACE, emit
from millrace.feeders.binding import Binding
from millrace.patterns.sweep import Outcome, Sweeper, Swept
from millrace.reconcile.judge import Status
from millrace.reconcile.report import PassReport
from millrace.reconcile.sources import SourceSeen
from millrace.runs.documents import Summary
from tests.infrastructure.test_watching import WOKEN, alarms, dimensions
from tests.support.alerting import ALERT, Alerting
from tests.support.platform import platform
from tests.support.templates import templates
from tests.support.webhooks import deliver

CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 100_000)
AT = "2026-11-30T12:00:00Z"
OF_GRAPHS = re.compile(r'"Millrace","(\w+)","environment","(\w+)","service","(\w+)"')
Metric = tuple[str, str]
"""Service and name."""


@pytest.fixture(scope="module")
def written(bundle: Path) -> set[Metric]:
    """What functions write, of which each run has had something to say; their dimensions are environment and service."""
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch, platform(bundle, in_memory=True) as running:
        patch.setattr("builtins.print", lambda line, **_: lines.append(line))
        patch.setattr(
            Folding, "run", lambda *_: Folded(events=200, late=20, failed=1, left=1, lag_seconds=1.0)
        )
        patch.setattr(Watcher, "run", lambda *_: Watched(series=1, learned=1, begun=1, left=1))
        patch.setattr(Sweeper, "sweep", lambda *_: Swept(timers=dict.fromkeys(Outcome, 1)))
        for stem in ("fold_tiles", "watch_anomalies", "sweep_timers"):
            running.functions[stem]({}, CONTEXT)
        alerts = Alerting(running.dynamodb)
        alerts.now = clock.now()
        alert = replace(ALERT, at=alerts.now)
        alerts.alerts.raise_all([alert])
        alerts.track()
        running.call("/v1/alerts/{id}/acknowledge", b"", function="change_alerts", id=alert.alert_id)
        alerts.alerts.end(alert.org, alert.kind, alert.rule, alert.subject, reason="late")
        running.functions["analyze_events"]({"Records": [*records(alerts)]}, CONTEXT)
        deliver(running, "unknown", b"{}", {})
        checks = [PathCheck(path, "ok", 1) for path in ("http", *paths())]
        emit(send_canary.NAME, "local", report.metrics(checks, each_path=True))
        emit(seal_tiles.NAME, "local", seal_days.metrics(filled(seal_days.Done)))
        emit(reconcile_events.NAME, "local", late_report().metrics())
        emit(publish_run.NAME, "local", publish.metrics(Summary("r", "done", AT, AT, (), (), ())))
    return {metric for line in lines for metric in metrics_of(line)}


def late_report() -> PassReport:
    source = SourceSeen(Binding("shop", "a", "bus", ("local",), 600), "active", None, late=True, counts={})
    return PassReport(tiles=Counter({Status.REPAIRED: 1}), sources=[source])


def records(alerts: Alerting) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(alerts.items()):
        change = {"NewImage": row, "SequenceNumber": str(number), "ApproximateCreationDateTime": 0}
        yield {"eventID": str(number), "eventName": "INSERT", "dynamodb": change}


def filled(kind: type[Any]) -> Any:
    """One of a class whose numbers are all 1."""
    made = kind()
    for one in fields(kind):
        if isinstance(getattr(made, one.name), int):
            setattr(made, one.name, 1)
    return made


def metrics_of(line: str) -> Iterator[Metric]:
    document = json.loads(line) if line.startswith("{") else {}
    for directive in document.get("_aws", {}).get("CloudWatchMetrics", ()):
        assert directive["Namespace"] == NAMESPACE
        assert [sorted(one) for one in directive["Dimensions"]] == [["environment", "service"]]
        yield from ((document["service"], one["Name"]) for one in directive["Metrics"])


@pytest.mark.parametrize("name", WOKEN)
def test_alarms_of_what_functions_write_have_its_name_and_dimensions(name: str, written: set[Metric]) -> None:
    watched = set()
    for alarm in alarms(name):
        if alarm["Namespace"] == NAMESPACE and alarm["MetricName"] != "EventsRefused":
            of = dimensions(alarm)
            assert of.keys() == {"environment", "service"}
            assert of["environment"] == name
            watched.add((of["service"], alarm["MetricName"]))
    assert watched <= written
    assert {service for service, _ in watched} == {service for service, _ in written} - {"publish_run"}


@pytest.mark.parametrize("name", WOKEN)
def test_graphs_show_what_functions_write(name: str, written: set[Metric]) -> None:
    boards = templates(name).resources("AWS::CloudWatch::Dashboard").values()
    text = "".join(
        part
        for board in boards
        for part in board["Properties"]["DashboardBody"]["Fn::Join"][1]
        if isinstance(part, str)
    )
    shown = OF_GRAPHS.findall(text)
    assert {environment for _, environment, _ in shown} == {name}
    metrics = {(service, metric) for metric, _, service in shown}
    assert metrics <= written
    of_real_time = {one for one in written if one[0] in ("fold_tiles", "sweep_timers", "watch_anomalies")}
    assert of_real_time <= metrics
    assert {one for one in written if "Alerts" in one[1]} <= metrics
