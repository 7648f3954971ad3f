"""UserEvents: for every event of a user, or of a session without a user, one pointer in order of time."""

from collections.abc import Callable, Sequence

from millrace.contracts.contract import Contract
from millrace.core import clock, keys
from millrace.core.consumer import Delivery
from millrace.core.table import Item, Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import StoredEvent, from_item


class Projection:
    """Writes pointers. The same event gives the same key, so a second delivery changes nothing."""

    def __init__(self, user_events: Table, codec: Codec, contract_of: Callable[[str], Contract]) -> None:
        """`contract_of` gives the contract of a reference as events carry it (`order.created/1.2.0`)."""
        self._user_events, self._codec, self._contract_of = user_events, codec, contract_of

    def project(self, deliveries: Sequence[Delivery]) -> None:
        """Projects a batch.

        Raises:
            PermanentError: a delivery holds no row of an event.
            RetryableError: the table did not take every pointer.
        """
        pointers: dict[tuple[str, str], Item] = {}
        for delivery in deliveries:
            event = from_item(delivery.item, self._codec)
            pointer = to_pointer(event, self._contract_of(event.envelope["platform"]["contract"]))
            if pointer is not None:
                pointers[(pointer["userKey"]["S"], pointer["sortKey"]["S"])] = pointer
        self._user_events.write_all(list(pointers.values()))


def to_pointer(event: StoredEvent, contract: Contract) -> Item | None:
    """The pointer of an event; None for one that belongs to no user and no session.

    It goes when the event's row goes: behind that it would point to nothing, and what is older is in the lake. Its keys hold
    the tenant and the event's id; to repeat them, and the event's type, would add a third to what it costs to keep the pointer.
    """
    envelope, org = event.envelope, event.org
    session = envelope.get("sessionId")
    owner = keys.by_owner(org, envelope.get("userId"), session)
    if owner is None:
        return None
    pointer: Item = {
        "userKey": {"S": owner},
        "sortKey": {"S": keys.sort(event.happened_at, event.event_id)},
        "projectedAt": {"S": clock.utc_text(clock.now())},
        "expiresAt": {"N": str(event.expires_at)},
    }
    if "userType" in contract.indexes:
        pointer["typeKey"] = {"S": keys.by_type(org, event.event_type)}
    if session and "session" in contract.indexes:
        pointer["sessionKey"] = {"S": keys.by_session(org, session)}
    return pointer
