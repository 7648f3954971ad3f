"""Events that consumers derive enter by the same conditional write as any other; the stored one always stands."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from millrace.contracts.registry import Registry
from millrace.core import clock
from millrace.core.errors import PermanentError, RetryableError
from millrace.eventstore.append import Appender, Outcome
from millrace.eventstore.codec import Codec
from millrace.eventstore.derived_ids import as_uuid, listed
from millrace.eventstore.fingerprint import BYTES
from millrace.eventstore.row import Envelope, Item, StoredEvent, to_item

# Why a dead letter is one: another event has the id of what was derived.
ID_TAKEN = "id_taken"
_LENT = ("correlationId", "userId", "sessionId", "environment", "region")


@dataclass(slots=True)
class Derived:
    """What a consumer has to say of an event. Nothing changes it.

    Attributes:
        consumer: who derives, such as `fraud`; part of the event's id and its source.
        source: the event that it is derived from; it lends tenant, timestamp, user, session and correlation.
        happened_at: the source's own moment; read once by whoever derives.
        event_type: of what is derived.
        payload: of the new event.
    """

    consumer: str
    source: StoredEvent
    happened_at: datetime
    event_type: str
    payload: dict[str, Any]


def derived_id(consumer: str, source: StoredEvent, event_type: str) -> str:
    """The id of what a consumer derives from an event: always the same, so a retry changes nothing.

    Nobody outside can name it beforehand, and so take it: the source's fingerprint, which no answer shows, is an HMAC
    with the tenant's key.
    """
    return as_uuid(_digest(consumer, source, event_type))


# Consumers and what they derive are few, and so are tenants beside their events.
_listed = lru_cache(maxsize=1024)(listed)


def _digest(consumer: str, source: StoredEvent, event_type: str) -> bytes:
    head = _listed(consumer, source.org, event_type)
    # An event's id and a fingerprint are each of one length, so they need none before them.
    return hashlib.sha256(f"{head}{source.event_id.lower()}{source.fingerprint.hex()}".encode()).digest()


class DerivedAppender:
    """Appends derived events. A put that meets the same derived event changes nothing: the stored one stands.

    Only the first event of a call is judged by its contract. What a consumer derives is ours and all of one shape, so a
    fault of the code or of the rules is in the first as well: it is refused, the batch is halved, and in the end all
    are dead letters. That each single one is valid, whatever valid events they are made from, is what
    tests/unit/fraud/test_derived.py shows; to judge them all once more cost as much as a twentieth of a decision.
    """

    def __init__(self, registry: Registry, appender: Appender) -> None:
        """`appender` writes to the Events table."""
        self._registry, self._appender = registry, appender
        self._codec = Codec(registry.dictionary)

    def append(self, derived: Sequence[Derived], at: datetime) -> None:
        """Stores them all.

        Raises:
            RetryableError: not all are stored; storing all of them again changes nothing.
            PermanentError: one does not keep its contract, or another event has its id. The others may be stored.
        """
        if not derived:
            return
        received_at = clock.utc_text(at)
        rows = [self._row(one, received_at, judged=one is derived[0]) for one in derived]
        outcomes = self._appender.append(rows)
        left = outcomes.count(Outcome.UNAVAILABLE)
        if left:
            raise RetryableError(f"append derived events: {left} of {len(outcomes)} are not stored")
        if Outcome.CONFLICT in outcomes:
            one = derived[outcomes.index(Outcome.CONFLICT)]
            raise PermanentError(f"{ID_TAKEN}: {one.event_type} of {one.source.event_id} is not stored")

    def _row(self, derived: Derived, received_at: str, *, judged: bool) -> Item:
        source, event_type = derived.source, derived.event_type
        contract = self._registry.find(event_type)
        digested = _digest(derived.consumer, source, event_type)
        event_id = as_uuid(digested)
        sent = source.envelope
        platform = sent["platform"]
        envelope: Envelope = {
            "eventId": event_id,
            "eventType": event_type,
            "eventSource": f"millrace.{derived.consumer}",
            "timestamp": sent["timestamp"],
            "version": contract.version,
            "data": {"payload": derived.payload, "metadata": {}},
        }
        for name in _LENT:
            if name in sent:
                envelope[name] = sent[name]
        if judged:
            errors = self._registry.validator(contract).errors(envelope)
            if errors:
                raise PermanentError(f"{event_type} at {errors[0].pointer}: {errors[0].message}")
        envelope["platform"] = {
            "orgId": platform["orgId"],
            "receivedAt": received_at,
            # The id itself: whoever derives it again is the same request.
            "requestId": event_id,
            "category": contract.category,
            "contract": contract.ref,
            "day": platform["day"],
            "derivedFrom": sent["eventId"],
        }
        # The half of the digest that the id leaves: it follows from the id's own parts, and no client can make it.
        return to_item(envelope, contract, digested[-BYTES:], self._codec, derived.happened_at)
