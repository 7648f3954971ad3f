"""What each table and column is made of: silver from its contract, transforms as the warehouse was compiled. Pure.

An edge leads from a dataset and column to what it is read from: `{"amount": (("silver.transaction_created_v1",
"amount"),)}`. Payload and metadata are one column each of raw, so silver's columns lead there, with the place inside.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from millrace.contracts.contract import Contract
from millrace.contracts.registry import Registry
from millrace.contracts.tables import silver_table
from millrace.warehouse.project import Project

RAW = "raw.events"
# Columns of silver's envelope whose name in raw is another.
_RAW_NAMES = {"user_key": "user_id"}
_PARTS = {"payload": "/data/payload", "metadata": "/data/metadata"}

Columns = Mapping[str, tuple[tuple[str, str], ...]]


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
        """Whether nothing says where the table comes from."""
        return not self.inputs or not any(self.columns.values())


def of_silver(contract: Contract) -> Edges:
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


def of_all(registry: Registry, project: Project) -> dict[str, Edges]:
    """Edges of every table that contracts and the warehouse describe, by full name."""
    found = {silver_table(contract).full_name: of_silver(contract) for contract in registry.contracts}
    for transform in project.transforms:
        found[transform.full_name] = Edges(tuple(transform.inputs), dict(transform.lineage), {})
    return found
