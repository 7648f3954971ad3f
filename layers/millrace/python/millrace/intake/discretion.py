"""What stands in the open beside a refused event: no id of those whom it names, and nothing that looks like an address. Pure."""

import re
from collections.abc import Collection, Container

from millrace.contracts.errors import FieldError

# Shorter ids are within any word; they are looked for as a whole alone.
_LEAST = 4
# Of ids, types and versions; an address of mail has another character, and a sentence as well.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.:/+-]{0,255}")
_GOT = ", got "
_HIDDEN = "is not valid; no message shows whom an event names"


def is_open(text: str, users: Collection[str]) -> bool:
    """Whether an id, a type or a version that a client sent may stand in clear beside its event."""
    return _PLAIN.fullmatch(text) is not None and not _names(text, users)


def discreet(error: FieldError, users: Collection[str], declared: Container[str] = ()) -> FieldError:
    """The error without the ids of those whom its event names.

    Args:
        error: of the event.
        users: ids.
        declared: names of fields that the contract has, which tell of nobody: somebody may be called `creator`.
    """
    pointer, message = error.pointer, error.message
    parts = pointer.split("/")
    for at, part in enumerate(parts):
        if part not in declared and _names(part.replace("~1", "/").replace("~0", "~"), users):
            pointer, message = "/".join(parts[:at]), _HIDDEN
            break
    said, _, got = message.partition(_GOT)
    if got and _names(got.strip('"'), users):
        message = said
    unchanged = pointer == error.pointer and message == error.message
    return error if unchanged else FieldError(pointer, error.code, message)


def _names(text: str, users: Collection[str]) -> bool:
    return any(text == user or (len(user) >= _LEAST and user in text) for user in users)
