"""From the policies to grants of Lake Formation: which tables, columns and rows a role reads with engines of AWS, such as Athena.

Lake Formation hides whole columns and filters rows; it does not look into values. A column of tokens is granted, one that is sealed is
not, and of raw, whose documents hold fields of any class, the documents are left out.
https://docs.aws.amazon.com/lake-formation/latest/dg/data-filters-about.html
"""

from collections.abc import Iterable
from dataclasses import dataclass

from millrace.access import visibility
from millrace.access.cedar import Policies
from millrace.access.policies import rights
from millrace.compiler.golden_rights import Dataset, person
from millrace.core.sql import literal

# Views of staging are DuckDB's: Athena has none of them.
_WITHOUT = ("staging", "raw")


@dataclass(frozen=True, slots=True)
class TableGrant:
    """What a role of a tenant reads of a table.

    Attributes:
        layer: the table's, such as `marts`.
        table: without its layer.
        columns: those that are there, in order.
        rows: the filter of Lake Formation, such as `org_id = 'org_acme'`.
    """

    layer: str
    table: str
    columns: tuple[str, ...]
    rows: str


def grants(
    role: str, org: str, found: Iterable[Dataset], in_force: Policies, *, owner: str = ""
) -> list[TableGrant]:
    """What a role reads.

    Args:
        role: of people.
        org: the tenant whose rows are read.
        found: the datasets there are.
        in_force: the policies.
        owner: number of the person, for roles that read their own rows only; without one they read none.
    """
    one = person(role)
    caller = visibility_caller(org, owner, rights(one, policies=in_force))
    granted = []
    for dataset in found:
        layer, _, table = dataset.name.partition(".")
        if layer in _WITHOUT:
            continue
        columns = tuple(
            name
            for name, of in dataset.classes.items()
            if visibility.column(caller, dataset.name, of) in ("clear", "token")
        )
        rows = visibility.row_filter(caller, dataset.name, columns)
        if columns and rows is not None:
            where = " AND ".join(f"{name} = {literal(value)}" for name, value in rows.equals)
            granted.append(TableGrant(layer, table, columns, where))
    return granted


@dataclass(frozen=True, slots=True)
class _Caller:
    org: str
    owner: str
    scopes: frozenset[str]


def visibility_caller(org: str, who: str, scopes: frozenset[str]) -> visibility.Owner:
    """Somebody who reads with an engine of AWS."""
    return _Caller(org, who, scopes)
