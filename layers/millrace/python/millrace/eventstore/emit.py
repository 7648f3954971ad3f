"""Events of the platform's own: decisions, failed checks, champion changes. Appended as any other, each of them once.

The id of such an event follows from what it is about, so whoever emits it a second time emits the same event: the stored
one stands.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from millrace.contracts.contract import Contract
from millrace.contracts.registry import Registry
from millrace.core import clock
from millrace.core.errors import PermanentError, RetryableError
from millrace.core.table import Item
from millrace.eventstore import derived_ids
from millrace.eventstore.append import Appender, AppendResult
from millrace.eventstore.codec import Codec
from millrace.eventstore.fingerprint import BYTES
from millrace.eventstore.row import Envelope, StoredEvent, to_item

# The reason of a dead letter: another event has the id of the one to be emitted.
ID_TAKEN = "id_taken"
_FROM_CAUSE = ("correlationId", "userId", "sessionId", "environment", "region")


@dataclass(slots=True)
class PlatformEvent:
    """An event to be emitted, made by `derived` or `stated`. Nothing changes it.

    Attributes:
        event_type: such as `fraud.decision.made`.
        source: its `eventSource`, such as `millrace.fraud`.
        org: whose event it is.
        timestamp: when it happened, ISO text.
        happened_at: the same moment.
        day: UTC date of it, `2026-11-21`.
        received_at: when the platform emits it, UTC text.
        payload: of the event.
        digest: SHA-256 of what makes it this event and no other; its id is cut from it.
        fingerprint: follows from the same parts, and no client can make it.
        cause: the stored event that it is derived from, if there is one.
        user: the number of the person whom it is about, as text; empty if it is about nobody, or about the cause's user.
    """

    event_type: str
    source: str
    org: str
    timestamp: str
    happened_at: datetime
    day: str
    received_at: str
    payload: Mapping[str, Any]
    digest: bytes
    fingerprint: bytes
    cause: StoredEvent | None = None
    user: str = ""

    @property
    def event_id(self) -> str:
        """The same for the same event, whenever it is emitted."""
        return derived_ids.as_uuid(self.digest)


def derived(
    consumer: str,
    cause: StoredEvent,
    event_type: str,
    payload: Mapping[str, Any],
    *,
    happened_at: datetime,
    received_at: str,
) -> PlatformEvent:
    """What a consumer derives from an event, which lends it tenant, timestamp, user, session and correlation.

    Args:
        consumer: who derives, such as `fraud`; part of the event's id and its source.
        cause: the event that it is derived from.
        event_type: of the new event.
        payload: of the new event.
        happened_at: the cause's own moment, which the consumer has read already.
        received_at: now, UTC text.
    """
    envelope = cause.envelope
    platform = envelope["platform"]
    digest = _derived_digest(consumer, cause, event_type)
    return PlatformEvent(
        event_type,
        f"millrace.{consumer}",
        platform["orgId"],
        envelope["timestamp"],
        happened_at,
        platform["day"],
        received_at,
        payload,
        digest,
        # The half that the id leaves.
        digest[-BYTES:],
        cause,
    )


def stated(
    event_type: str,
    *,
    org: str,
    source: str,
    at: str,
    payload: Mapping[str, Any],
    parts: Sequence[str],
    cause: StoredEvent | None = None,
    user: str = "",
) -> PlatformEvent:
    """An event with a moment of its own, the same whenever it is made of the same parts.

    Args:
        event_type: such as `quality.check.failed`.
        org: whose event it is.
        source: its `eventSource`.
        at: when it happened, UTC text.
        payload: of the event.
        parts: what makes it this event and no other.
        cause: an event that it follows from, which lends it user, session and correlation.
        user: the number of the person whom it is about, as text.
    """
    happened_at = clock.parse(at)
    day, digest = clock.day_text(happened_at), derived_ids.digest(*parts)
    fingerprint = hashlib.sha256("\n".join(("fingerprint", *parts)).encode()).digest()[:BYTES]
    return PlatformEvent(
        event_type, source, org, at, happened_at, day, at, payload, digest, fingerprint, cause, user
    )


def derived_id(consumer: str, cause: StoredEvent, event_type: str) -> str:
    """The id of what a consumer derives from an event.

    Nobody outside can name it beforehand, and so take it: the cause's fingerprint, which no answer shows, is an HMAC
    with the tenant's key.
    """
    return derived_ids.as_uuid(_derived_digest(consumer, cause, event_type))


# Consumers and what they derive are few, and so are tenants beside their events.
_listed = lru_cache(maxsize=1024)(derived_ids.listed)


def _derived_digest(consumer: str, cause: StoredEvent, event_type: str) -> bytes:
    head = _listed(consumer, cause.org, event_type)
    # An event's id and a fingerprint are each of one length, so they need none before them.
    return hashlib.sha256(f"{head}{cause.event_id.lower()}{cause.fingerprint.hex()}".encode()).digest()


class Emitter:
    """Appends events of the platform's own."""

    def __init__(
        self,
        registry: Registry,
        appender: Appender,
        log: Callable[[str], None] = lambda _: None,
        *,
        type_shards: int = 1,
    ) -> None:
        """`log` takes a line for an event that its tenant hides from itself; `type_shards`: as `to_item` has it."""
        self._registry, self._appender, self._log = registry, appender, log
        self._type_shards = type_shards
        self._codec = Codec(registry.dictionary)

    def check(self, event: PlatformEvent) -> None:
        """Whether an event could be emitted.

        Raises:
            PermanentError: it does not keep its contract.
        """
        self._row(event, judged=True)

    def emit(self, events: Sequence[PlatformEvent], *, alike: bool = False) -> None:
        """Stores them all; an event that is stored already stays as it is.

        Args:
            events: nothing is stored if one of them does not keep its contract.
            alike: they are all made by the same code and of one shape, so that only the first is judged by its contract.
                A fault of the code is in the first as well. To judge each cost a twentieth of a fraud decision; that
                each is valid, whatever it is made from, a test has to show (tests/unit/fraud/test_derived.py).

        Raises:
            RetryableError: not all are stored; to emit all of them again changes nothing.
            PermanentError: one does not keep its contract, or another event has the id of a derived one. The others may
                be stored.
        """
        if not events:
            return
        rows = [self._row(one, judged=not alike or one is events[0]) for one in events]
        results = self._appender.append(rows)
        missing = results.count(AppendResult.UNAVAILABLE)
        if missing:
            raise RetryableError(f"emit {events[0].event_type}: {missing} of {len(results)} are not stored")
        if AppendResult.CONFLICT in results:
            pairs = zip(events, results, strict=True)
            self._taken([event for event, result in pairs if result is AppendResult.CONFLICT])

    def _taken(self, events: Sequence[PlatformEvent]) -> None:
        for event in events:
            if event.cause is None:
                # Such an id is no secret: a tenant that has stored an event of its own under it hides this one from itself.
                self._log(f"{ID_TAKEN}: {event.event_type} {event.event_id} of {event.org} is not stored")
        for event in events:
            if event.cause is not None:
                raise PermanentError(
                    f"{ID_TAKEN}: {event.event_type} of {event.cause.event_id} is not stored"
                )

    def _row(self, event: PlatformEvent, *, judged: bool) -> tuple[Contract, Item]:
        contract = self._registry.find(event.event_type)
        event_id, cause = event.event_id, event.cause
        envelope: Envelope = {
            "eventId": event_id,
            "eventType": event.event_type,
            "eventSource": event.source,
            "timestamp": event.timestamp,
            "version": contract.version,
            "data": {"payload": event.payload, "metadata": {}},
        }
        if cause is not None:
            for name in _FROM_CAUSE:
                if name in cause.envelope:
                    envelope[name] = cause.envelope[name]
        if event.user:
            envelope["userId"] = event.user
        if judged:
            errors = self._registry.validator(contract).errors(envelope)
            if errors:
                raise PermanentError(f"{event.event_type} at {errors[0].pointer}: {errors[0].message}")
        platform = envelope["platform"] = {
            "orgId": event.org,
            "receivedAt": event.received_at,
            # The id itself: whoever emits it a second time is the same request.
            "requestId": event_id,
            "category": contract.category,
            "contract": contract.ref,
            "day": event.day,
        }
        if cause is not None:
            platform["derivedFrom"] = cause.event_id
        item = to_item(
            envelope,
            contract,
            event.fingerprint,
            self._codec,
            event.happened_at,
            type_shards=self._type_shards,
        )
        return contract, item
