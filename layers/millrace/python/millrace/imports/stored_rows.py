"""Which events of a group are stored already, and by whom: asked after a kill only."""

from collections.abc import Sequence

import orjson

from millrace.core import keys
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import body_of


class StoredRows:
    """The Events table."""

    def __init__(self, events: Table, codec: Codec) -> None:
        self._events, self._codec = events, codec

    def by_request(self, org: str, event_ids: Sequence[str], request_id: str) -> set[str]:
        """Which of the events were stored by this request."""
        by_key = {keys.event(org, event_id): event_id for event_id in event_ids}
        wanted = ({"eventId": {"S": key}} for key in by_key)
        return {
            by_key[item["eventId"]["S"]]
            for item in self._events.batch_get(wanted, consistent=True, doing="read rows of an import")
            if orjson.loads(body_of(item, self._codec))["platform"]["requestId"] == request_id
        }
