"""Whether a change of table contracts breaks those who read the tables. Pure: two lists in, reasons out.

A column may not go, nor change its type, but for a wider one of the same kind (`WIDER`), in which every value of the old
one is the same number; a table may not go, nor be cut in another way. Columns may come, and what is said of rows may
change: a reader of a table must expect columns that it does not know.
"""

from collections.abc import Iterable, Iterator

from millrace.compiler.diff import Breaking
from millrace.compiler.table_contracts import TableContract
from millrace.contracts.column_types import Scalar, Type
from millrace.contracts.columns import WIDE_INTEGER, WIDE_MONEY, duckdb_type
from millrace.contracts.tables import LakeTable

# Type → those into which its columns may grow.
WIDER = {"int": ("long", WIDE_INTEGER), "long": (WIDE_INTEGER,), "decimal": (WIDE_MONEY,)}


def gate(before: Iterable[TableContract], after: Iterable[TableContract]) -> list[Breaking]:
    """Everything that forbids going from one set of tables to the other."""
    new = {contract.name: contract.table for contract in after}
    found: list[Breaking] = []
    for old in before:
        changed = new.get(old.name)
        if changed is None:
            found.append(Breaking(old.name, "", "removed", "a table that is read is gone"))
        else:
            found += compare(old.table, changed)
    return found


def compare(old: LakeTable, new: LakeTable) -> Iterator[Breaking]:
    """What breaks between two states of a table, column by column."""
    name, columns = old.full_name, {column.name: column for column in new.columns}
    for column in old.columns:
        found = columns.get(column.name)
        pointer = f"/{column.name}"
        if found is None:
            yield Breaking(name, pointer, "removed", "a column that is read is gone")
        elif found.type != column.type and not _wider(column.type, found.type):
            reason = f"it was {duckdb_type(column.type)} and is {duckdb_type(found.type)}"
            yield Breaking(name, pointer, "retyped", reason)
    if (old.grain, old.time_column) != (new.grain, new.time_column):
        yield Breaking(name, "/grain", "access", "its partitions are others, and files cannot change theirs")


def _wider(old: Type, new: Type) -> bool:
    return isinstance(old, Scalar) and isinstance(new, Scalar) and new.name in WIDER.get(old.name, ())
