"""A handler that keeps what it is handed, behind a mapping of a stream of its own."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.support.mappings.clock import ManualClock
from tests.support.mappings.driver import MappingDriver
from tests.support.mappings.kinesis import KinesisStream
from tests.support.mappings.settings import MappingSettings

FROM_START = MappingSettings(starting_position="TRIM_HORIZON")


class Recorder:
    """A handler that keeps the decoded data of each batch."""

    def __init__(self, stream: KinesisStream) -> None:
        self.clock = stream.clock
        self.batches: list[list[Any]] = []
        self.events: list[dict[str, Any]] = []
        self.at: list[float] = []
        self._start = self.clock.now()

    def __call__(self, event: dict[str, Any], context: Any) -> None:
        self.events.append(json.loads(json.dumps(event)))
        self.at.append((self.clock.now() - self._start).total_seconds())
        data = [base64.b64decode(record["kinesis"]["data"]) for record in event["Records"]]
        self.batches.append([json.loads(one) for one in data])
        event[
            "Records"
        ].clear()  # A handler may do what it likes with its event: redelivery builds a new one.

    @property
    def flat(self) -> list[Any]:
        return [one for batch in self.batches for one in batch]


def recorded(
    settings: MappingSettings = FROM_START, *, seed: int = 1, **stream: Any
) -> tuple[KinesisStream, Recorder, MappingDriver]:
    """A stream, what is handed over of it, and the driver that does."""
    log = KinesisStream("events", clock=ManualClock(), **stream)
    recorder = Recorder(log)
    driver = MappingDriver(clock=log.clock, seed=seed)
    driver.add_mapping("archive_events", log, recorder, settings)
    return log, recorder, driver


def fill(stream: KinesisStream, count: int, *, keys: int = 1) -> None:
    """Puts so many numbers into a stream, under so many partition keys."""
    for number in range(count):
        stream.put(f"user-{number % keys}", json.dumps(number))
