"""The limits of intake, as data."""

from datetime import timedelta

EVENTS_PER_REQUEST = 500
BYTES_PER_REQUEST = 4 * 1024 * 1024
BYTES_PER_EVENT = 256 * 1024
AHEAD = timedelta(minutes=15)
# What orjson can write again: deeper events could be read but never stored.
NESTING = 250
IN_FLIGHT = 32
# After this no further put is begun; one that has begun ends within 13 s, and the function has 29.
APPEND_SECONDS = 12.0
