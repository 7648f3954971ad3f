"""How much a tenant may ask for a second where it is not what the settings say: a row `<org>#setting` / `limits` in Metadata."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass

from millrace.core import keys
from millrace.core.errors import MillraceError, PermanentError
from millrace.core.table import Item, Table

REMEMBERED_SECONDS = 60
_MOST_REMEMBERED = 10_000
HIGHEST = 1_000_000.0


@dataclass(frozen=True, slots=True)
class Limits:
    """A second, in the long run; a bucket holds ten seconds of each.

    Attributes:
        events: that the tenant sends.
        key_events: that one of its credentials sends.
        requests: other calls of the tenant, each by what it costs.
        key_requests: those of one of its credentials.
    """

    events: float
    key_events: float
    requests: float
    key_requests: float

    def with_changes(self, changes: dict[str, float]) -> "Limits":
        """The same with others in the place of those that are named."""
        return Limits(**{**asdict(self), **changes})


NAMES = tuple(Limits.__annotations__)


class TenantLimits:
    """The limits of each tenant; an answer is remembered for 60 seconds."""

    def __init__(
        self, metadata: Table, defaults: Limits, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Makes no call. `defaults`: of tenants without a row, and of what a row leaves out."""
        self._metadata, self._defaults, self._clock = metadata, defaults, clock
        self._known: dict[str, tuple[float, Limits]] = {}

    def of(self, org: str) -> Limits:
        """A tenant's limits; those that were known before, or the defaults, where the table does not answer."""
        moment = self._clock()
        until, limits = self._known.get(org, (moment, self._defaults))
        if moment >= until:
            # Who may call is not decided here: no call fails for it.
            with suppress(MillraceError):
                limits = self._defaults.with_changes(read(self._metadata, org))
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[org] = (moment + REMEMBERED_SECONDS, limits)
        return limits


def read(metadata: Table, org: str) -> dict[str, float]:
    """What the tenant's row says, by the names of `Limits`; what it does not say is as the settings have it.

    Raises:
        RetryableError: the table did not answer.
    """
    row = metadata.get(_key(org), doing="read the tenant's limits") or {}
    return {name: float(row[name]["N"]) for name in NAMES if name in row}


def write(metadata: Table, org: str, changes: dict[str, float | None]) -> dict[str, float]:
    """Changes a tenant's limits; functions notice within 60 seconds.

    Args:
        metadata: the table.
        org: the tenant.
        changes: by the names of `Limits`; None: as the settings have it.

    Returns:
        What the row says after that.

    Raises:
        PermanentError: a name or a number is none.
        MillraceError: the table did not take it.
    """
    for name, value in changes.items():
        if name not in NAMES:
            raise PermanentError(f"{name!r} is none of {', '.join(NAMES)}")
        if value is not None and not 0 < value <= HIGHEST:
            raise PermanentError(f"{name} is more than 0 and at most {HIGHEST:g} a second, not {value}")
    said = {**read(metadata, org), **changes}
    kept = {name: value for name, value in said.items() if value is not None}
    metadata.put(
        {**_key(org), **{name: {"N": repr(float(value))} for name, value in kept.items()}},
        doing="write the tenant's limits",
    )
    return kept


def _key(org: str) -> Item:
    return {"entityTypeKey": {"S": keys.metadata(org, "setting")}, "entityId": {"S": "limits"}}
