"""What a mapping did: counters and the story of each invocation."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of the handler: which records, when, and how it ended (``error`` is ``None`` when all is done)."""

    at: datetime
    request_id: str
    shard_id: str
    lane: int
    sequence_numbers: tuple[str, ...]
    checkpoint: int
    error: str | None


@dataclass(slots=True)
class MappingStatistics:
    """Counters of one mapping, in records unless said.

    ``delivered`` counts every delivery; ``done``, ``filtered`` and ``discarded`` (by reason) count a record
    once, so that with what is still waiting they add up to what the stream received. ``failed`` and
    ``invocations`` count calls. Reasons are ``RetryAttemptsExhausted``, ``RecordAgeExceeded`` and ``Expired``
    (the stream dropped the record first).
    """

    invocations: int = 0
    delivered: int = 0
    done: int = 0
    failed: int = 0
    filtered: int = 0
    discarded: Counter[str] = field(default_factory=Counter)
    iterator_age_ms: float = 0.0
    maximum_iterator_age_ms: float = 0.0
    history: list[Invocation] = field(default_factory=list)

    @property
    def last_error(self) -> str | None:
        """The error of the latest failed invocation."""
        return next((one.error for one in reversed(self.history) if one.error), None)
