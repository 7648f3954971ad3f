"""The driver: several mappings under one clock, one invocation a step, in an order that the seed decides."""

from __future__ import annotations

import random
from datetime import timedelta

from tests.support.mappings.clock import ManualClock
from tests.support.mappings.faults import NO_FAULTS, Backoff, Faults
from tests.support.mappings.mapping import EventSourceMapping, Handler
from tests.support.mappings.settings import MappingSettings
from tests.support.mappings.shards import EventSource
from tests.support.mappings.statistics import MappingStatistics


class NotIdleError(AssertionError):
    """The mappings had still work to do after the allowed number of steps."""


class MappingDriver:
    """Runs Lambda handlers under AWS's semantics of stream mappings, in process and without waiting.

    The same seed and the same calls give the same story: which shard comes next, which fault strikes, every
    id. Each class and function under ``tests.support.mappings`` names the AWS page that it follows.
    """

    def __init__(self, *, clock: ManualClock, seed: int = 0, backoff: Backoff | None = None) -> None:
        """Drive mappings on ``clock``, which must be the clock of their sources."""
        self.clock = clock
        self.mappings: dict[str, EventSourceMapping] = {}
        self._rng = random.Random(seed)
        self._backoff = backoff or Backoff()

    def add_mapping(
        self,
        name: str,
        source: EventSource,
        handler: Handler,
        settings: MappingSettings,
        *,
        faults: Faults = NO_FAULTS,
    ) -> EventSourceMapping:
        """Create a mapping; ``name`` is also the function's name.

        Raises:
            ValueError: the name is taken, or the source has another clock.
            InvalidPatternError: AWS would refuse a filter.
        """
        if name in self.mappings:
            raise ValueError(f"there is a mapping {name!r}")
        if source.clock is not self.clock:
            raise ValueError("source and driver need the same clock")
        rng = random.Random(self._rng.getrandbits(64))
        mapping = EventSourceMapping(
            name, source, handler, settings, faults=faults, backoff=self._backoff, rng=rng
        )
        self.mappings[name] = mapping
        return mapping

    def step(self, *, until: timedelta | None = None) -> bool:
        """Hand over one batch; return ``False`` when there is nothing to hand over.

        When every batch waits (for a retry, for its window), time moves to the earliest of them first, but
        not further than ``until`` from now.
        """
        for mapping in self.mappings.values():
            mapping.poll()
        waiting = [(mapping, *found) for mapping in self.mappings.values() for found in mapping.waiting()]
        if not waiting:
            return False
        earliest = min(moment for _, moment, _, _ in waiting)
        if until is not None and earliest > self.clock.now() + until:
            return False
        self.clock.advance_to(earliest)
        now = self.clock.now()
        ready = [(mapping, reader, lane) for mapping, moment, reader, lane in waiting if moment <= now]
        mapping, reader, lane = self._rng.choice(ready)
        mapping.deliver(reader, lane)
        return True

    def run_until_idle(self, *, max_steps: int = 10_000) -> int:
        """Step until nothing waits; return the number of steps.

        Raises:
            NotIdleError: work is left after ``max_steps``. A batch that fails for ever ends by itself when the
                stream's retention has passed.
        """
        for steps in range(max_steps):
            if not self.step():
                return steps
        story = {name: mapping.statistics.last_error for name, mapping in self.mappings.items()}
        raise NotIdleError(f"not idle after {max_steps} steps; last errors: {story}")

    def run_for(self, duration: timedelta, *, max_steps: int = 10_000) -> int:
        """Step through what is due within ``duration`` and end exactly then; return the number of steps.

        Raises:
            NotIdleError: more than ``max_steps`` were due.
        """
        end = self.clock.now() + duration
        for steps in range(max_steps):
            if not self.step(until=end - self.clock.now()):
                self.clock.advance_to(end)
                return steps
        raise NotIdleError(f"more than {max_steps} steps were due within {duration}")

    def redeliver(self, name: str, *, batches: int = 1) -> None:
        """Let a mapping fall back to an older checkpoint: finished batches come again, oldest first.

        Source: AWS Lambda Developer Guide, "How Lambda processes records from stream and queue-based event
        sources": each event at least once, so the function must be idempotent.
        """
        self.mappings[name].redeliver(batches)

    def statistics(self, name: str) -> MappingStatistics:
        """Return a mapping's counters."""
        return self.mappings[name].statistics

    def iterator_age(self, name: str) -> timedelta:
        """Return the IteratorAge of the latest invocation."""
        return timedelta(milliseconds=self.mappings[name].statistics.iterator_age_ms)
