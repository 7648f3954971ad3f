"""How far each figure can be relied on. Every price is AWS's list price of the table's date; what differs is the quantity."""

from enum import StrEnum


class Confidence(StrEnum):
    """Where a quantity comes from."""

    MEASURED = "measured"
    """Recorded from the handlers, and rounded as AWS bills it."""
    LISTED = "listed"
    """Counted in the templates or the repository's definitions, at AWS's list price."""
    ASSUMED = "assumed"
    """Mostly from the assumptions of the price table, or AWS does not say how it bills it."""


PATHS = {
    "accept": Confidence.MEASURED,
    "accept.lake-only": Confidence.MEASURED,
    "store": Confidence.MEASURED,
    "store.seeded": Confidence.MEASURED,
    "log": Confidence.MEASURED,
    "log.lake-only": Confidence.MEASURED,
    # The record's form is documented; that no deletion is exempt from capture's price is how its page reads.
    "expire": Confidence.ASSUMED,
    "expire.seeded": Confidence.ASSUMED,
    "archive": Confidence.MEASURED,
    "archive.lake-only": Confidence.MEASURED,
    "project": Confidence.MEASURED,
    "count": Confidence.MEASURED,
    "route": Confidence.MEASURED,
    "fraud": Confidence.MEASURED,
    "features": Confidence.MEASURED,
    "bus": Confidence.ASSUMED,
    "etl": Confidence.ASSUMED,
    "quarantine": Confidence.MEASURED,
    "read": Confidence.ASSUMED,
    "predict": Confidence.ASSUMED,
    "storage": Confidence.MEASURED,
    "storage.seeded": Confidence.MEASURED,
    "storage.lake-only": Confidence.MEASURED,
    "storage.features": Confidence.MEASURED,
    "total.default-indexes": Confidence.MEASURED,
    "total.lake-only": Confidence.MEASURED,
    "total.mix": Confidence.MEASURED,
}
# Of the idle figure; everything else in it is assumed.
_LISTED_WHEN_IDLE = (
    "cloudwatch.alarm",
    "cloudwatch.dashboard",
    "kinesis.",
    "kms.key",
    "kms.rotation",
    "scheduler.",
)


def when_idle(item: str) -> Confidence:
    """Of an item of the idle figure."""
    return Confidence.LISTED if item.startswith(_LISTED_WHEN_IDLE) else Confidence.ASSUMED
