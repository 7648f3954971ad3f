"""Edge: makes something of the stream of the Events table as it comes; each consumer has dead letters of its own."""

import secrets
from collections.abc import Mapping

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit

from functions.analyze_events.settings import Settings
from millrace.aggregates import registry
from millrace.aggregates.count import TOO_OLD, EventCounter
from millrace.aggregates.facts import Facts
from millrace.alerts.alert import PASSED_OVER
from millrace.alerts.assemble import alerts
from millrace.alerts.rows import AlertRows, AlertTracker
from millrace.core import metrics
from millrace.core.aws import client
from millrace.core.edge import Handler, edge
from millrace.core.table import Table
from millrace.eventstore.batches import batches
from millrace.eventstore.codec import Codec
from millrace.patterns.assemble import detector
from millrace.patterns.state import KEYS_CUT
from millrace.sigma import rules
from millrace.sigma.detect import SigmaDetector


@edge("analyze_events", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Hands a batch to each consumer; a table that fails has it delivered again."""
    aggregates = registry.load()
    contracts = aggregates.contracts

    def too_old(events: int) -> None:
        log.warning("too old for tiles", extra={"events": events})
        count({TOO_OLD: events})

    def count(numbers: Mapping[str, int]) -> None:
        values = {name: (number, MetricUnit.Count) for name, number in numbers.items()}
        metrics.emit("analyze_events", settings.environment, values)

    def passed_over(matches: int) -> None:
        count({PASSED_OVER: matches})

    def cut(keys: int) -> None:
        count({KEYS_CUT: keys})

    analytics, codec = Table(client("dynamodb"), settings.analytics_table), Codec(contracts.dictionary)
    counter = EventCounter(
        analytics,
        codec,
        Facts(list(aggregates), contracts.deployed),
        lambda: secrets.token_hex(8),
        too_old=too_old,
    )
    tracker = AlertTracker(AlertRows(analytics), codec, contracts.deployed, count)
    sigma = SigmaDetector(rules.load(), contracts, alerts(settings, log.warning).raise_all, passed_over)
    consumers = {
        "count_events": counter.count,
        "track_alerts": tracker.track,
        "detect_patterns": detector(settings, log.warning, passed_over, cut).detect,
        "detect_sigma": sigma.detect,
    }
    return batches(consumers, settings.lake_bucket, log)
