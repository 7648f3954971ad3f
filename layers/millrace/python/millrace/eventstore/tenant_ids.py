"""Which ids a tenant's events may have: those that each contract takes, or any text, whatever the contracts say.

A row `<org>#setting` / `ids` in Metadata. It is read only where an event's id is refused by its contract, so tenants without
such ids never pay for it.
"""

import time
from collections.abc import Callable

from millrace.core import keys
from millrace.core.errors import PermanentError
from millrace.core.table import Item, Table

ANY, BY_CONTRACT = "any", "contract"
CHOICES = (BY_CONTRACT, ANY)
REMEMBERED_SECONDS = 60
_MOST_REMEMBERED = 10_000


class TenantIds:
    """The setting of each tenant; an answer is remembered for 60 seconds."""

    def __init__(self, metadata: Table, clock: Callable[[], float] = time.monotonic) -> None:
        """Makes no call."""
        self._metadata, self._clock = metadata, clock
        self._known: dict[str, tuple[float, bool]] = {}

    def takes_any(self, org: str) -> bool:
        """Whether the tenant's events may have any id, whatever their contracts say.

        Raises:
            RetryableError: the table did not answer.
        """
        moment = self._clock()
        until, any_ids = self._known.get(org, (moment, False))
        if moment >= until:
            any_ids = read(self._metadata, org) == ANY
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[org] = (moment + REMEMBERED_SECONDS, any_ids)
        return any_ids


def read(metadata: Table, org: str) -> str:
    """The setting, one of `CHOICES`.

    Raises:
        RetryableError: the table did not answer.
    """
    row = metadata.get(_key(org), doing="read the tenant's ids")
    return ANY if row is not None and row["value"]["S"] == ANY else BY_CONTRACT


def write(metadata: Table, org: str, ids: str) -> None:
    """Changes the setting; functions notice within 60 seconds.

    Raises:
        PermanentError: it is none of `CHOICES`.
        MillraceError: the table did not take it.
    """
    if ids not in CHOICES:
        raise PermanentError(f"ids are {' or '.join(CHOICES)}, not {ids!r}")
    metadata.put({**_key(org), "value": {"S": ids}}, doing="write the tenant's ids")


def _key(org: str) -> Item:
    return {"entityTypeKey": {"S": keys.metadata(org, "setting")}, "entityId": {"S": "ids"}}
