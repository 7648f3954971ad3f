"""Who reads: a caller of the API, or an operator with rights of AWS."""

from collections.abc import Collection
from dataclasses import dataclass

from millrace.access import visibility
from millrace.access.actions import ALL_DATASETS
from millrace.core.sql import identifier, literal

OPERATOR = "operator"
PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads.

    Attributes:
        org: the tenant; empty for an operator who reads the rows of all.
        principal: the name of the credential.
        scopes: rights and datasets.
        owner: what stands for the caller in columns of owners, a number; empty for who reads no rows as their own.
        purpose: what the rows are read for: those of people who have withdrawn it, or are restricted, are left out. Empty for an
            operator, who reads to run the platform.
    """

    org: str
    principal: str
    scopes: frozenset[str]
    owner: str = ""
    purpose: str = ""

    @property
    def audited(self) -> str:
        """In whose audit a query is."""
        return self.org or PLATFORM

    def where(self, dataset: str, columns: Collection[str]) -> str:
        """SQL of the rows that are read of a dataset with these columns; empty for all."""
        if not self.org:
            return ""
        allowed = visibility.row_filter(self, dataset, columns)
        if allowed is None:
            return "false"
        return " AND ".join(f"{identifier(name)} = {literal(value)}" for name, value in allowed.equals)


def operator(org: str, principal: str = OPERATOR) -> Reader:
    """Who may invoke the function itself: all datasets, of one tenant or of all."""
    return Reader(org, principal, frozenset({ALL_DATASETS}))
