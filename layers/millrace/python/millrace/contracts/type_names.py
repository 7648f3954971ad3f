"""Names by which other producers call types: `track:Product Viewed`, which a file of `schemas/producers` makes one of ours.

A name has its kind before it, and a colon, which no type of ours has: so an event that came under a name nobody has
mapped keeps it, waits as one of an unknown type, and is of its type as soon as there is a mapping.
"""

from collections.abc import Mapping
from typing import Any

# Kind as the files call it → what stands before its names.
KINDS = {"track": "track:", "self-describing": "iglu:", "structured": "structured:"}


def renamed(event: Any, names: Mapping[str, str]) -> Any:
    """The event under our name of its type, where it came under another's; else the event itself."""
    named = event.get("eventType") if event.__class__ is dict else None
    if named.__class__ is not str or ":" not in named or named not in names:
        return event
    return {**event, "eventType": names[named]}
