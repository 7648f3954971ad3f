"""Anomalies with their stores."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from millrace.aggregates import registry
from millrace.aggregates.reads import TenantTiles
from millrace.alerts.assemble import AlertSettings, alerts
from millrace.anomalies.run import Watcher
from millrace.anomalies.series import Series
from millrace.anomalies.state import States
from millrace.anomalies.watch import Watch
from millrace.core import bundle
from millrace.core.aws import client
from millrace.core.table import Table


def watches() -> list[Watch]:
    """Those of the bundle."""
    return bundle.load(_read)


def watcher(settings: AlertSettings, log: Callable[[str], None]) -> Watcher:
    """Watches the aggregates of these stores."""
    analytics, aggregates = Table(client("dynamodb"), settings.analytics_table), registry.load()

    def series(org: str, watch: Watch, now: datetime) -> Series:
        aggregate = aggregates.by_name[watch.aggregate]
        tiles = TenantTiles(analytics, org, aggregate, aggregates.types, now, warn=log)
        return Series(watch, aggregate, tiles.between)

    return Watcher(watches(), series, States(analytics), alerts(settings, log), log)


def _read(folder: Path) -> list[Watch]:
    return [Watch.from_json(one) for one in bundle.document(folder, bundle.ANOMALIES)]
