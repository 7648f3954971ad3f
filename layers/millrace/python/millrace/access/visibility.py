"""Which tables, rows and columns a caller sees. Pure: all of it follows from the caller's scopes and roles.

The policies decided about datasets when the credential was recognised (`access.policies`), and left the answer among the scopes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, Protocol

from millrace.access.actions import DATASET, OWN

Visibility = Literal["clear", "masked", "token", "absent"]
# The event store, as the API reads it: the one place that may show a protected value.
EVENTS = "events"
PERSONAL = "personal:read"
# Whose a row is, by the name of its column, which holds numbers of people; the first one that a table has counts. The `owner` of
# an alert is a team.
OWNER_COLUMNS = ("creator_id", "owner_id")
TENANT_COLUMN = "org_id"
_OPEN = frozenset({"public", "internal"})


class Caller(Protocol):
    """Who reads: `core.http.Caller` and `access.credentials.Principal` are of this form."""

    @property
    def org(self) -> str:
        """The tenant."""

    @property
    def scopes(self) -> Collection[str]:
        """Rights and datasets, as the authorizer hands them over."""


class Owner(Caller, Protocol):
    """Who reads rows: `queries.reader.Reader` is of this form."""

    @property
    def owner(self) -> str:
        """What stands for the caller in columns of owners: the person's number, as text; empty where nobody is known."""


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows are read: those where each of these columns has this value.

    Attributes:
        equals: by column; the tenant's is always among them.
    """

    equals: tuple[tuple[str, str], ...]


def table_access(caller: Caller, dataset: str) -> bool:
    """Whether the caller may read some rows of a dataset, such as `marts.fct_transactions`."""
    return _is_named(DATASET, caller.scopes, dataset) or _is_named(OWN, caller.scopes, dataset)


def column(caller: Caller, dataset: str, classification: str) -> Visibility:
    """How a column of this class is shown.

    - `clear`: as it is.
    - `token`: the token that stands in the place of the value; anything else in its place reads as null.
    - `masked`: it is there, and its value is not: the text `sealed` stands in its place.
    - `absent`: the column is not there at all.

    Args:
        caller: who reads.
        dataset: such as `marts.fct_transactions`; `EVENTS` for events as the API reads them, which alone may unseal.
        classification: `public`, `internal`, `confidential` or `restricted`; any other is taken for `restricted`.
    """
    if dataset == EVENTS:
        if "events:read" not in caller.scopes:
            return "absent"
        if classification in _OPEN or PERSONAL in caller.scopes:
            return "clear"
        return "token" if classification == "confidential" else "masked"
    if not table_access(caller, dataset):
        return "absent"
    if classification in _OPEN:
        return "clear"
    return "token" if classification == "confidential" else "absent"


def row_filter(caller: Owner, dataset: str, columns: Collection[str]) -> RowFilter | None:
    """Which rows of a dataset are read; None: no row.

    Args:
        caller: who reads.
        dataset: such as `silver.content_published_v1`.
        columns: all columns that it has. A table without a column of the tenant is read by nobody.
    """
    if TENANT_COLUMN not in columns or not caller.org:
        return None
    tenant = (TENANT_COLUMN, caller.org)
    if _is_named(DATASET, caller.scopes, dataset):
        return RowFilter((tenant,))
    if not _is_named(OWN, caller.scopes, dataset) or not caller.owner:
        return None
    owner = next((name for name in OWNER_COLUMNS if name in columns), None)
    return None if owner is None else RowFilter((tenant, (owner, caller.owner)))


def _is_named(kind: str, scopes: Collection[str], dataset: str) -> bool:
    layer, dot, _ = dataset.partition(".")
    return bool(dot) and not scopes_of(kind, layer, dataset).isdisjoint(scopes)


def scopes_of(kind: str, layer: str, dataset: str) -> frozenset[str]:
    """Each scope that lets a dataset be read: of it, of its layer, of all."""
    return frozenset({f"{kind}{dataset}", f"{kind}{layer}.*", f"{kind}*"})
