"""A client's clock, corrected by what it said when it sent: `timestamp + (received − sent)`.

Of a clock that is right within a minute nothing is changed, so that no network's latency shifts what servers measure.
"""

from datetime import datetime, timedelta

from millrace.core import clock

TOLERANCE = timedelta(minutes=1)


def corrected(timestamp: str, sent_at: datetime | None, received_at: datetime) -> str:
    """The moment in UTC where the client's clock was wrong; else the text as it is, also where it is not a moment."""
    if sent_at is None or abs(received_at - sent_at) <= TOLERANCE:
        return timestamp
    try:
        return clock.utc_text(clock.parse(timestamp) + (received_at - sent_at))
    except (ValueError, OverflowError):
        return timestamp


def moment(text: object) -> datetime | None:
    """A moment with an offset; None for anything else."""
    try:
        return clock.parse(text) if isinstance(text, str) else None
    except ValueError:
        return None
