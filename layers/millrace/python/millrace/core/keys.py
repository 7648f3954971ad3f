"""Key values of every table: tenant first, UTC sort keys that are unique, separators inside values escaped."""

from datetime import datetime
from zlib import crc32

from millrace.core.clock import utc_micros
from millrace.core.identity import identity_text

SEPARATOR = "#"
_SESSION = "session:"
# How the name of a user begins in a key who is called so.
_CALLED_SESSION = _SESSION.replace(":", "%3A")


def escape(value: str) -> str:
    """A client's value as one part of a key: `%` and `#` are percent-encoded, everything else stays."""
    # Hardly any value has one of the two; to look for them takes half as long as to replace them.
    if "%" in value or SEPARATOR in value:
        return value.replace("%", "%25").replace(SEPARATOR, "%23")
    return value


def unescape(part: str) -> str:
    """The value that a part of a key was made from."""
    return part.replace("%23", SEPARATOR).replace("%25", "%")


def join(*parts: str) -> str:
    """One key value from its parts, each escaped."""
    return SEPARATOR.join([escape(part) for part in parts])


def event(org: str, event_id: str) -> str:
    """`org#<identity of the event's id>` (`core.identity`), so one UUID in two spellings is one event."""
    return join(org, identity_text(event_id))


def shard_of(name: str, shards: int) -> int:
    """Which of a key's shards a row lies in, by its name: 0 to `shards` - 1, the same each time."""
    return crc32(name.encode()) % shards if shards > 1 else 0


def by_type(org: str, event_type: str, shard: int = 0) -> str:
    """`org#type#shard`. The shard of an event is that of its id's identity (`shard_of`)."""
    return join(org, event_type, str(shard))


def by_user(org: str, user: str) -> str:
    """`org#user`. A user who is called `session:…` must not meet a session's key."""
    name = escape(user)
    if name.startswith(_SESSION):
        name = name.replace(":", "%3A", 1)
    return f"{escape(org)}{SEPARATOR}{name}"


def user_of(key: str) -> tuple[str, str | None]:
    """Tenant and user of such a key; None where it is a session's."""
    org, _, name = key.partition(SEPARATOR)
    is_session, is_called_so = name.startswith(_SESSION), name.startswith(_CALLED_SESSION)
    # A `%` of the user's own is escaped.
    user = unescape(name.replace(_CALLED_SESSION, _SESSION, 1) if is_called_so else name)
    return unescape(org), None if is_session else user


def by_session(org: str, session: str) -> str:
    """`org#session:<id>`: where the events of a session without a user are found."""
    return f"{escape(org)}{SEPARATOR}{_SESSION}{escape(session)}"


def by_owner(org: str, user: str | None, session: str | None) -> str | None:
    """The UserEvents partition of an event: its user's, else its session's; None where it has neither."""
    if user:
        return by_user(org, user)
    return by_session(org, session) if session else None


def by_correlation(org: str, correlation: str) -> str:
    """`org#correlationId`."""
    return join(org, correlation)


def by_entity(org: str, entity: str, entity_id: str) -> str:
    """`org#order#<id>`."""
    return join(org, entity, entity_id)


def sort(moment: datetime, event_id: str) -> str:
    """`<UTC to the microsecond, Z>#<identity of the event's id>`: unique, of one width, and text order is time order."""
    return f"{utc_micros(moment)}{SEPARATOR}{identity_text(event_id)}"


def metadata(org: str, entity_type: str, *more: str) -> str:
    """`org#entityType#…` of the Metadata table."""
    return join(org, entity_type, *more)


# Of a sort key: what two keys of one millisecond have in common, in microseconds and in milliseconds.
_MILLISECOND = len("2026-11-21T05:54:16.123")
_MICROSECOND = len("2026-11-21T05:54:16.123456")


def millisecond(sort_key: str) -> str:
    """`2026-11-21T05:54:16.123`: what every sort key of that millisecond begins with, whatever its width."""
    return sort_key[:_MILLISECOND]


def is_of_milliseconds(sort_key: str) -> bool:
    """Whether a sort key is in milliseconds, as older rows have it: `<UTC ms Z>#<eventId>`."""
    return sort_key[_MILLISECOND : _MILLISECOND + 1] == "Z"


def of_milliseconds(sort_key: str) -> str:
    """The key of the same event in milliseconds, as older rows have it."""
    return sort_key[:_MILLISECOND] + sort_key[_MICROSECOND:]


def id_of(sort_key: str) -> str:
    """The identity of the event's id, of a sort key of either width."""
    return sort_key.partition(SEPARATOR)[2]
