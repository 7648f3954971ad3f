"""The limits of intake, as data."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple


class Limit(NamedTuple):
    """A limit as it is told to users: of what, how much, and what is answered beyond it."""

    what: str
    most: str
    beyond: str


EVENTS_PER_REQUEST = 500
BYTES_PER_REQUEST = 4 * 1024 * 1024
BYTES_PER_EVENT = 256 * 1024
# The largest batches that SDKs for browsers make have 500 KB; those for servers go up to 4 MB.
BYTES_PER_PAGE_REQUEST = 512 * 1024
# Stripe's largest events have some 100 KB; SendGrid sends batches of up to 768 KB.
BYTES_PER_WEBHOOK = 1024 * 1024
AHEAD = timedelta(minutes=15)
# Of what is older than its type is kept, which only imports bring; clocks that were never set say less.
OLDEST = datetime(1970, 1, 1, tzinfo=UTC)
# Levels of objects and arrays in an event, itself the first. Common readers stop at 64 unless told otherwise (.NET's
# System.Text.Json) or at 128 (Rust's serde_json); orjson writes 254, and lists, traces, quarantine and raw wrap events.
NESTING = 64
# Objects, arrays, texts, numbers, booleans and nulls in an event, itself the first; and names of fields, each time that
# one stands there. Parsed, a value takes up to some 300 bytes where its JSON takes 5: 256 KB would be 7 MB. The largest
# event of a contract, an order of 1,000 items, has 4,020 values and 3,018 names.
VALUES = 5_000
NAMES = 4_000
IN_FLIGHT = 32
# After this no further put is begun; one that has begun ends within 13 s, and the function has 29.
APPEND_SECONDS = 12.0

LIMITS = (
    Limit("events of a request", f"{EVENTS_PER_REQUEST}", "413"),
    Limit("a request, inflated", f"{BYTES_PER_REQUEST >> 20} MB", "413"),
    Limit("a request of a page with a write key, inflated", f"{BYTES_PER_PAGE_REQUEST >> 10} KB", "413"),
    Limit("a delivery of a webhook, as it came and inflated", f"{BYTES_PER_WEBHOOK >> 20} MB", "413"),
    Limit("an event, as JSON without spaces", f"{BYTES_PER_EVENT >> 10} KB", "`too_large`"),
    Limit(
        "values of an event: objects, arrays, texts, numbers, booleans, nulls", f"{VALUES:,}", "`too_large`"
    ),
    Limit("names of fields in an event, each time that one occurs", f"{NAMES:,}", "`too_large`"),
    Limit("levels of objects and arrays, the event the first", f"{NESTING}", "`malformed`"),
    Limit("a timestamp ahead of the clock", f"{AHEAD.seconds // 60} minutes", "`timestamp_range`"),
)
