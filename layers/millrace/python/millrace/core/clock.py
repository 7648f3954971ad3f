"""Time in three forms: aware UTC datetimes inside, `…Z` in keys and answers, epoch seconds for expiry."""

from datetime import UTC, date, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MICROSECOND = timedelta(microseconds=1)


def now() -> datetime:
    """The present moment, aware, UTC."""
    return datetime.now(UTC)


def as_utc(moment: datetime) -> datetime:
    """The same moment in UTC; one without an offset is taken for UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def utc_text(moment: datetime) -> str:
    """`2026-11-21T05:54:16.123Z`: UTC with milliseconds, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"


def utc_micros(moment: datetime) -> str:
    """`2026-11-21T05:54:16.123456Z`: UTC with microseconds, always six digits, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def epoch_millis(moment: datetime) -> int:
    """Whole milliseconds since 1970, cut, never rounded: what `utc_text` says as a number."""
    return (moment - EPOCH) // _MILLISECOND


def from_epoch_millis(number: int) -> datetime:
    """The moment of so many milliseconds since 1970.

    Raises:
        OverflowError: it lies beyond the year 9999.
    """
    return EPOCH + number * _MILLISECOND


def epoch_micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - EPOCH) // _MICROSECOND


def from_epoch_micros(number: int) -> datetime:
    """The moment of so many microseconds since 1970.

    Raises:
        OverflowError: it lies beyond the year 9999.
    """
    return EPOCH + number * _MICROSECOND


def parse(text: str) -> datetime:
    """Reads an ISO-8601 moment that carries an offset; digits behind the microsecond are cut.

    Raises:
        ValueError: the text is not a moment, says no offset, or is in UTC before year 1 or after year 9999.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        raise ValueError(f"no offset in {text!r}")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"no moment in UTC: {text!r}") from error


def midnight(day: date) -> datetime:
    """The beginning of a UTC day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def utc_day(moment: datetime) -> date:
    """The UTC date a moment falls on."""
    return moment.astimezone(UTC).date()


def day_text(moment: datetime) -> str:
    """The same as text, `2026-11-21`."""
    return utc_day(moment).isoformat()


def epoch(moment: datetime) -> int:
    """Whole seconds since 1970, as DynamoDB's time to live wants them."""
    return int(moment.timestamp())
