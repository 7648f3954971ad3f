"""Runs generated requests in chunks, so that Hypothesis keeps no tree of hundreds of thousands."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyStrategyDefinition

from millrace.core import aws
from tests.support.functions import function
from tests.support.fuzz.judge import Judge, events_in
from tests.support.fuzz.post import requests
from tests.support.fuzz.stores import Stores

CHUNK = 2000
ENVIRON = {
    "ENVIRONMENT": "local",
    "EVENTS_TABLE": "Events",
    "METADATA_TABLE": "Metadata",
    "SUBJECT_KEYS_TABLE": "SubjectKeys",
    "LAKE_BUCKET": "lake",
    "EVENT_STREAM_ARN": "arn:aws:kinesis:us-east-1:123456789012:stream/events",
    "TENANT_KEY_ID": "alias/tenants",
    "EVENTS_PER_SECOND": "1000000",
    "KEY_EVENTS_PER_SECOND": "1000000",
    "LOG_LEVEL": "ERROR",
}
OPERATIONS = (
    "put_item",
    "get_item",
    "batch_get_item",
    "generate_data_key",
    "put_object",
    "batch_write_item",
    "put_records",
)
_DOWN = st.sampled_from((frozenset[str](),) * 12 + tuple(frozenset({name}) for name in OPERATIONS))


@dataclass
class Report:
    """What a run saw."""

    requests: int = 0
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    given_up: int = 0


@contextmanager
def judge() -> Iterator[Judge]:
    """The real handler of post_events, cold, over stores in memory."""
    stores = Stores()
    with function("post_events", ENVIRON) as handler:
        # The handler's own wiring, with clients that are the stores.
        with patch("boto3.client", lambda *_, **__: stores), patch("time.sleep"):
            aws.client.cache_clear()
            yield Judge(handler, stores)
        aws.client.cache_clear()


def run(count: int, first_seed: int = 0) -> Report:
    """Sends `count` generated requests; a failing chunk is written down with its smallest request."""
    report = Report()
    started = time.monotonic()
    chunk = 0
    while report.requests < count:
        done = report.requests
        number = first_seed * 1_000_000 + chunk
        try:
            _chunk(min(CHUNK, count - report.requests), number, report)
        except FlakyStrategyDefinition:
            # Hypothesis could not draw the same request twice. No promise was broken: the next chunk goes on.
            report.given_up += 1
        except Exception as error:  # noqa: BLE001  whatever it is, it is what is looked for
            report.failures.append(f"seed {number}: {_story(error)}")
        if report.requests == done:
            raise RuntimeError(f"no request could be sent: {report.failures}")
        chunk += 1
    report.seconds = time.monotonic() - started
    return report


def _story(error: BaseException) -> str:
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else [error]
    return "; ".join(
        f"{type(one).__name__}: {one} {' '.join(getattr(one, '__notes__', []))}"[:3000] for one in inner
    )


def _chunk(size: int, number: int, report: Report) -> None:
    with judge() as held:

        @seed(number)
        @settings(
            max_examples=size,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(requests(), _DOWN)
        def attempt(event: dict[str, Any], down: frozenset[str]) -> None:
            report.requests += 1
            answer = held.send(event, down)
            if '"results"' in answer["body"]:
                expected = events_in(event)
                results = answer["body"].count('"index":')
                assert expected is None or results == expected

        try:
            attempt()
        finally:
            report.statuses += held.statuses
            report.outcomes += held.outcomes
