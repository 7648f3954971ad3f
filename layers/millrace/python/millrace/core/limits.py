"""The limits of intake, as data."""

from datetime import timedelta

EVENTS_PER_REQUEST = 500
BYTES_PER_REQUEST = 4 * 1024 * 1024
BYTES_PER_EVENT = 256 * 1024
# With a key that everybody can read. The largest batches that SDKs for browsers and servers make have 500 KB.
BYTES_PER_PUBLIC_REQUEST = 512 * 1024
AHEAD = timedelta(minutes=15)
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
