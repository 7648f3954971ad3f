"""What an event has besides its type and its data."""

from datetime import datetime
from typing import TypedDict


class Envelope(TypedDict, total=False):
    """Options of `send`. What is not given has the platform's default."""

    event_id: str
    """A UUID of version 4 by default. The same id again is the same event."""
    timestamp: datetime | str
    """When it happened, now by default; a `datetime` needs a zone."""
    version: str
    """Of the contract, such as `1.2.0`; the newest by default."""
    source: str
    """What sends it; the key's name by default."""
    user_id: str
    """Whose event it is."""
    session_id: str
    """The visit that it belongs to."""
    correlation_id: str
    """What it belongs to across services."""
    environment: str
    region: str


FIELDS = {
    "version": "version",
    "source": "eventSource",
    "user_id": "userId",
    "session_id": "sessionId",
    "correlation_id": "correlationId",
    "environment": "environment",
    "region": "region",
}
"""Options that are fields as they are, with the field's name."""
