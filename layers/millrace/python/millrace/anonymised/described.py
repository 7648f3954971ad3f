"""Tables about nobody as the catalog describes them, and what it keeps of a release. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from millrace.anonymised.definition import Anonymised
from millrace.catalog.datasets import Dataset
from millrace.catalog.store import CatalogEntry

LAYER = "anonymised"


def datasets(definitions: Iterable[Anonymised]) -> list[Dataset]:
    """Every table about nobody as a dataset. SQL does not read them, so no right to a dataset is about them."""
    return [
        Dataset(
            name=name_of(one.name),
            layer=LAYER,
            description=one.description,
            owner=one.owner,
            contract=None,
            columns=tuple(_columns(one)),
            refresh=None,
            upstream=(one.source,),
            k=one.k,
        )
        for one in definitions
    ]


def entry(org: str, release: Mapping[str, Any]) -> CatalogEntry:
    """What the catalog keeps of the newest release of a tenant: its groups, and when it was made."""
    return CatalogEntry(
        org, name_of(release["name"]), None, len(release["rows"]), None, "", release["releasedAt"]
    )


def name_of(table: str) -> str:
    """The dataset of a table, such as `anonymised.orders_by_month`."""
    return f"{LAYER}.{table}"


def _columns(table: Anonymised) -> Iterable[dict[str, Any]]:
    for dimension in table.dimensions:
        yield _column(
            dimension.name, "string", f"{dimension.column} of {table.source}, made coarser; null: all.", False
        )
    yield _column("people", "bigint", f"How many people the group has: {table.k} or more.", True)
    for measure in table.measures:
        what = f"The sum of {measure.column}" if measure.column else "Rows"
        yield _column(
            measure.name, "decimal" if measure.column else "bigint", f"{what} of {table.source}.", True
        )


def _column(name: str, kind: str, description: str, required: bool) -> dict[str, Any]:
    return {
        "name": name,
        "type": kind,
        "description": description,
        "classification": "public",
        "required": required,
    }
