"""The limits of an import, as data."""

from millrace.core.limits import Limit

BYTES_PER_FILE = 5 << 30
BYTES_INFLATED = 20 << 30
# Tables of numbers pack to a twentieth, logs to a fiftieth; what unpacks further than this was made to.
INFLATION, INFLATION_FROM = 200, 64 << 20
ROWS_PER_FILE = 10_000_000
COLUMNS = 2_000
# Four times the largest event: a row may say in words what an event says in numbers.
BYTES_PER_ROW = 1 << 20
# Uncompressed: a part of it is in memory while its rows are read.
BYTES_PER_ROW_GROUP = 512 << 20
# Refused rows whose reasons a report tells one by one; it counts the others, and all of them are in the file of refused rows.
REASONS_TOLD = 1_000

LIMITS = (
    Limit(
        "a file of an import", f"{BYTES_PER_FILE >> 30} GB, {BYTES_INFLATED >> 30} GB inflated", "`too_large`"
    ),
    Limit(
        "what a file of more than 64 MB inflates to",
        f"{INFLATION} times its size",
        "`inflates_too_far`",
    ),
    Limit("rows of a file", f"{ROWS_PER_FILE:,}", "`too_large`"),
    Limit("columns of a file", f"{COLUMNS:,}", "`columns`"),
    Limit(
        "how long ago a row of a file may have happened",
        "since 1970",
        "the row is refused: `timestamp_range`",
    ),
    Limit("a row of a file", f"{BYTES_PER_ROW >> 20} MB", "the row is refused: `too_large`"),
    Limit("a row group of Parquet, uncompressed", f"{BYTES_PER_ROW_GROUP >> 20} MB", "`not_parquet`"),
)
