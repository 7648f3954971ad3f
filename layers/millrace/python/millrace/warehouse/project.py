"""The warehouse as it was compiled: transforms in order, what each reads, and who reads them. `warehouse.json` of the bundle."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from millrace.contracts.tables import Grain, Layer, Refresh
from millrace.core import bundle

# Column → the columns of other tables that it is made of, as (table, column).
Lineage = dict[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Staging:
    """A view between physical tables and transforms: `staging.<name>`. `inputs` are what its SQL reads."""

    name: str
    sql: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Transform:
    """A table that SQL makes.

    Attributes:
        layer: its schema.
        name: its name in the schema.
        sql: one SELECT of DuckDB; it reads `silver.x`, `marts.y` and `staging.z` by these names.
        inputs: full names of the physical tables that it reads, through staging as well.
        staging: the views it reads, each after those it reads itself.
        grain: what is made anew at once.
        refresh: how often it is made anew.
        definition: changes exactly when its rows may: its SQL, its staging, its contract.
        level: 0 reads silver only; every other reads tables of lower levels.
        columns: names, in order.
        lineage: of each column, down to columns of `inputs`.
    """

    layer: Layer
    name: str
    sql: str
    inputs: tuple[str, ...]
    staging: tuple[Staging, ...]
    grain: Grain
    refresh: Refresh
    definition: str
    level: int
    columns: tuple[str, ...]
    lineage: Lineage

    @property
    def full_name(self) -> str:
        """`marts.fct_transactions`."""
        return f"{self.layer}.{self.name}"


@dataclass(frozen=True, slots=True)
class Exposure:
    """Who reads tables without being one: a dashboard or a model."""

    name: str
    label: str
    owner: str
    description: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Document:
    transforms: tuple[Transform, ...]
    exposures: tuple[Exposure, ...]


class Project:
    """All transforms and exposures."""

    def __init__(self, transforms: Collection[Transform], exposures: Collection[Exposure]) -> None:
        self.transforms = tuple(transforms)
        self.exposures = tuple(exposures)

    @cached_property
    def by_name(self) -> Mapping[str, Transform]:
        """Transforms by full name."""
        return {transform.full_name: transform for transform in self.transforms}

    def transform(self, name: str) -> Transform:
        """The transform of that full name.

        Raises:
            KeyError: there is none.
        """
        return self.by_name[name]

    def levels(self, refresh: Collection[str]) -> tuple[tuple[str, ...], ...]:
        """Full names of the transforms of these refreshes, level after level; a level that has none is left out."""
        depths = sorted({transform.level for transform in self.transforms})
        levels = (
            tuple(m.full_name for m in self.transforms if m.level == depth and m.refresh in refresh)
            for depth in depths
        )
        return tuple(level for level in levels if level)

    def silver(self, name: str) -> frozenset[str]:
        """The silver tables that a table is made of, through whatever other tables lie between."""
        tables: set[str] = set()
        for table in self.transform(name).inputs:
            tables |= self.silver(table) if table in self.by_name else {table}
        return frozenset(tables)

    def to_json(self) -> dict[str, Any]:
        """The form in the bundle."""
        return asdict(_Document(self.transforms, self.exposures))


def load(folder: Path | None = None) -> Project:
    """The warehouse of the bundle in `folder`, else of the one in force."""
    return bundle.load(_read, folder)


def _read(folder: Path) -> Project:
    document = TypeAdapter(_Document).validate_json((folder / bundle.WAREHOUSE).read_bytes())
    return Project(document.transforms, document.exposures)
