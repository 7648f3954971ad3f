"""What each table and column is made of, and what is made of it. Pure.

Silver comes from its contract, the tables of the warehouse from their compiled SQL.

An edge leads from a dataset and column to what it is read from: `{"amount": (("silver.transaction_created_v1",
"amount"),)}`. Payload and metadata are one column each of raw, so silver's columns lead there, with the place inside.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from millrace.contracts.contract import Contract
from millrace.contracts.registry import Registry
from millrace.contracts.tables import silver_table
from millrace.warehouse.project import Project

RAW = "raw.events"
# Columns of silver's envelope whose name in raw is another.
_RAW_NAMES = {"user_key": "user_id"}
_PARTS = {"payload": "/data/payload", "metadata": "/data/metadata"}

Columns = Mapping[str, tuple[tuple[str, str], ...]]
_Neighbours = dict[str, set[str]]


@dataclass(frozen=True, slots=True)
class Edges:
    """Where a table comes from.

    Attributes:
        inputs: full names of what it reads.
        columns: column → columns of the inputs; those made of no column (a count, a constant) have none.
        places: column → where in its source column the value stands, as a pointer from the event's root.
    """

    inputs: tuple[str, ...]
    columns: Columns
    places: Mapping[str, str]

    @property
    def empty(self) -> bool:
        """Whether it is not known where the table comes from."""
        return not self.inputs or not any(self.columns.values())


def silver_edges(contract: Contract) -> Edges:
    """Edges of a contract's silver table."""
    derived = {rule["column"]: rule["of"] for rule in contract.silver}
    columns: dict[str, tuple[tuple[str, str], ...]] = {}
    places: dict[str, str] = {}
    for column in silver_table(contract).columns:
        pointer = column.pointer or derived.get(column.name)
        part = next((name for name, at in _PARTS.items() if pointer and pointer.startswith(f"{at}/")), None)
        columns[column.name] = ((RAW, part or _RAW_NAMES.get(column.name, column.name)),)
        if part is not None and pointer is not None:
            places[column.name] = pointer
    return Edges((RAW,), columns, places)


def all_edges(registry: Registry, project: Project) -> dict[str, Edges]:
    """Edges of every table that a contract or the warehouse describes, by full name."""
    edges = {silver_table(contract).full_name: silver_edges(contract) for contract in registry.contracts}
    for transform in project.transforms:
        edges[transform.full_name] = Edges(tuple(transform.inputs), dict(transform.lineage), {})
    return edges


class LineageGraph:
    """Edges of datasets, and of columns as `dataset.column`."""

    def __init__(self) -> None:
        self._up: _Neighbours = defaultdict(set)
        self._down: _Neighbours = defaultdict(set)
        self._columns_up: _Neighbours = defaultdict(set)
        self._columns_down: _Neighbours = defaultdict(set)

    def add(self, name: str, inputs: Iterable[str], columns: Mapping[str, Iterable[Sequence[str]]]) -> None:
        """What a dataset and its columns are made of."""
        for source in inputs:
            self._up[name].add(source)
            self._down[source].add(name)
        for column, sources in columns.items():
            for table, field in sources:
                self._columns_up[f"{name}.{column}"].add(f"{table}.{field}")
                self._columns_down[f"{table}.{field}"].add(f"{name}.{column}")

    def around(self, name: str, columns: Iterable[str], *, transitive: bool) -> dict[str, Any]:
        """Neighbours of a dataset and its columns; with `transitive` all that they come from and go to.

        Args:
            name: of the dataset.
            columns: that its contract has; those that only its last run had are added.
            transitive: whether neighbours of neighbours count.
        """
        known = {f"{name}.{column}" for column in columns}
        known |= {at for at in self._columns_up if at.rpartition(".")[0] == name}
        lines = {
            at.rpartition(".")[2]: {
                "upstream": _reached(self._columns_up, at, transitive),
                "downstream": _reached(self._columns_down, at, transitive),
            }
            for at in sorted(known)
        }
        return {
            "upstream": _reached(self._up, name, transitive),
            "downstream": _reached(self._down, name, transitive),
            "columns": {column: edges for column, edges in lines.items() if any(edges.values())},
        }


def _reached(edges: _Neighbours, start: str, transitive: bool) -> list[str]:
    reached: set[str] = set()
    left = [start]
    while left:
        new = edges.get(left.pop(), set()) - reached
        reached |= new
        if transitive:
            left.extend(new)
    return sorted(reached - {start})
