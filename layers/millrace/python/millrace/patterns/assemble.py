"""Patterns with their stores, for the consumer and for the sweep of timers."""

from collections.abc import Callable
from typing import Protocol

from millrace.alerts import assemble
from millrace.contracts import registry
from millrace.core.aws import client
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.reader import EventReader
from millrace.patterns import definition
from millrace.patterns.detect import PatternDetector
from millrace.patterns.reading import Reader
from millrace.patterns.state import PatternState
from millrace.patterns.sweep import Lookout, Sweeper
from millrace.patterns.timers import Timers


class SweepSettings(assemble.AlertSettings, Protocol):
    """What alerts need, and where the events of a session are."""

    user_events_table: str


def detector(
    settings: assemble.AlertSettings,
    log: Callable[[str], None],
    passed_over: Callable[[int], object],
    cut: Callable[[int], object],
) -> PatternDetector:
    """The consumer over the stores of these settings."""
    contracts = registry.load()
    analytics = Table(client("dynamodb"), settings.analytics_table)
    return PatternDetector(
        Reader(definition.load(), contracts.deployed),
        PatternState(analytics),
        Timers(analytics),
        assemble.alerts(settings, log),
        Table(client("dynamodb"), settings.events_table),
        Codec(contracts.dictionary),
        passed_over=passed_over,
        cut=cut,
    )


def sweeper(settings: SweepSettings, log: Callable[[str], None]) -> Sweeper:
    """The sweep over the stores of these settings."""
    contracts, patterns, dynamodb = registry.load(), definition.load(), client("dynamodb")
    events, user_events = Table(dynamodb, settings.events_table), Table(dynamodb, settings.user_events_table)

    def lookout() -> Lookout:
        read = EventReader(events, user_events, Codec(contracts.dictionary), type_shards=settings.type_shards)
        # Events of a contract that is newer than ours are read by ours: the sweep waits for no deploy.
        steps = Reader(patterns, contracts.of_ref)
        return Lookout(patterns, read, steps, assemble.alerts(settings, log))

    timers = Timers(Table(dynamodb, settings.analytics_table))
    return Sweeper(timers, assemble.alerts(settings, log), lookout, log)
