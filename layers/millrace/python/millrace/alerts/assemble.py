"""Alerts with their stores, for every edge that raises or ends some."""

from collections.abc import Callable
from typing import Protocol

from millrace.alerts.mutes import Mutes
from millrace.alerts.raising import Alerts
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.table import Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.emit import Emitter


class EmitterSettings(Protocol):
    """Where events are appended: `put` on Events."""

    events_table: str
    type_shards: int


class AlertSettings(EmitterSettings, Protocol):
    """Where alerts are kept: `put` on Events; `get`, `batch_get`, `query`, `put`, `update`, `delete`, `write_all` on Analytics; `query` on Metadata."""

    analytics_table: str
    metadata_table: str


def emitter(settings: EmitterSettings, log: Callable[[str], None]) -> Emitter:
    """Appends events of the platform's own, such as those of alerts."""
    appender = Appender({"table": TableAppender(Table(client("dynamodb"), settings.events_table), log)})
    return Emitter(registry.load(), appender, log, type_shards=settings.type_shards)


def alerts(settings: AlertSettings, log: Callable[[str], None]) -> Alerts:
    """Alerts over the stores of these settings."""
    dynamodb = client("dynamodb")
    mutes = Mutes(Table(dynamodb, settings.metadata_table))
    return Alerts(Table(dynamodb, settings.analytics_table), mutes, emitter(settings, log))
