"""Events of the platform's own that come of no event: a check that failed, a champion that moved."""

import hashlib
from collections.abc import Mapping
from typing import Any

from millrace.contracts.registry import Registry
from millrace.core import clock
from millrace.core.errors import PermanentError
from millrace.eventstore.codec import Codec
from millrace.eventstore.derived_ids import event_id
from millrace.eventstore.fingerprint import BYTES
from millrace.eventstore.row import Envelope, Item, to_item


def own_item(
    registry: Registry,
    codec: Codec,
    event_type: str,
    *,
    org: str,
    source: str,
    at: str,
    payload: Mapping[str, Any],
    parts: tuple[str, ...],
) -> Item:
    """The row of such an event, the same whenever it is made of the same parts.

    Args:
        registry: has its contract.
        codec: of stored rows.
        event_type: such as `ml.model.moved`.
        org: whose event it is.
        source: its `eventSource`.
        at: when it happened, UTC text.
        payload: what it says.
        parts: what makes it this event and no other; id and fingerprint follow from them.

    Raises:
        PermanentError: it does not keep its contract.
    """
    contract = registry.find(event_type)
    identifier = event_id(*parts)
    envelope: Envelope = {
        "eventId": identifier,
        "eventType": event_type,
        "eventSource": source,
        "timestamp": at,
        "version": contract.version,
        "data": {"payload": dict(payload), "metadata": {}},
    }
    errors = registry.validator(contract).errors(envelope)
    if errors:
        raise PermanentError(f"{event_type} at {errors[0].pointer}: {errors[0].message}")
    envelope["platform"] = {
        "orgId": org,
        "receivedAt": at,
        "requestId": identifier,
        "category": contract.category,
        "contract": contract.ref,
        "day": clock.utc_day(clock.parse(at)).isoformat(),
    }
    # It says that an event is this one, told by whoever came first.
    fingerprint = hashlib.sha256("\n".join(("fingerprint", *parts)).encode()).digest()[:BYTES]
    return to_item(envelope, contract, fingerprint, codec)
