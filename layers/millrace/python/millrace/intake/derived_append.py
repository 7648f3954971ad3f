"""Events that consumers derive enter by the same conditional write as any other; the stored one always stands."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from millrace.contracts.registry import Registry
from millrace.core import clock
from millrace.core.errors import PermanentError, RetryableError
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import Envelope, Item, StoredEvent, to_item
from millrace.intake.append import Appender, Outcome
from millrace.intake.derived import event_id
from millrace.intake.fingerprint import BYTES


@dataclass(frozen=True, slots=True)
class Derived:
    """What a consumer has to say of an event.

    Attributes:
        consumer: who derives, such as `fraud`; part of the event's id and its source.
        source: the event that it is derived from; it lends tenant, timestamp, user, session and correlation.
        event_type: of what is derived.
        payload: of the new event.
    """

    consumer: str
    source: StoredEvent
    event_type: str
    payload: dict[str, Any]


def derived_id(consumer: str, org: str, source_id: str, event_type: str) -> str:
    """The id of what a consumer derives from an event: always the same, so a retry changes nothing."""
    return event_id(consumer, org, source_id.lower(), event_type)


class DerivedAppender:
    """Appends derived events. A refused put is always a duplicate: the stored event stands."""

    def __init__(self, registry: Registry, appender: Appender) -> None:
        """`appender` writes to the Events table."""
        self._registry, self._appender = registry, appender
        self._codec = Codec(registry.dictionary)

    def append(self, derived: Sequence[Derived], at: datetime) -> list[bool]:
        """Whether each is new, in order.

        Raises:
            RetryableError: not all are stored; storing all of them again changes nothing.
            PermanentError: one does not keep its contract.
        """
        if not derived:
            return []
        received_at = clock.utc_text(at)
        outcomes = self._appender.append([self._row(one, received_at) for one in derived])
        left = outcomes.count(Outcome.UNAVAILABLE)
        if left:
            raise RetryableError(f"append derived events: {left} of {len(outcomes)} are not stored")
        return [outcome is Outcome.ACCEPTED for outcome in outcomes]

    def _row(self, derived: Derived, received_at: str) -> Item:
        contract = self._registry.find(derived.event_type)
        envelope = envelope_of(derived, contract.version)
        errors = self._registry.validator(contract).errors(envelope)
        if errors:
            raise PermanentError(f"{derived.event_type} at {errors[0].pointer}: {errors[0].message}")
        envelope["platform"] = {
            "orgId": derived.source.org,
            "receivedAt": received_at,
            # The id itself: whoever derives it again is the same request.
            "requestId": envelope["eventId"],
            "category": contract.category,
            "contract": contract.ref,
            "day": derived.source.day,
            "derivedFrom": derived.source.event_id,
        }
        # No client's words are in it, so there is nothing that a key would have to hide.
        fingerprint = hashlib.sha256(envelope["eventId"].encode()).digest()[:BYTES]
        return to_item(envelope, contract, fingerprint, self._codec)


def envelope_of(derived: Derived, version: str) -> Envelope:
    """The envelope of a derived event, without `platform`."""
    source = derived.source
    envelope: Envelope = {
        "eventId": derived_id(derived.consumer, source.org, source.event_id, derived.event_type),
        "eventType": derived.event_type,
        "eventSource": f"millrace.{derived.consumer}",
        "timestamp": source.envelope["timestamp"],
        "version": version,
        "data": {"payload": derived.payload, "metadata": {}},
    }
    for name in ("correlationId", "userId", "sessionId", "environment", "region"):
        if source.envelope.get(name) is not None:
            envelope[name] = source.envelope[name]
    return envelope
