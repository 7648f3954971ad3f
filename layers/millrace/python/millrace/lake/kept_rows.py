"""What silver has of a day that raw has no longer whole: those rows stay, unless they are made of raw again."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from millrace.contracts.columns import duckdb_type
from millrace.contracts.registry import Registry
from millrace.core.sql import identifier, literal
from millrace.lake.duck import create_view, parquet
from millrace.lake.raw_rows import id_of, of_bucket
from millrace.runs.documents import Unit

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class KeptRows:
    """Silver's rows of one unit, a view a table."""

    def __init__(
        self,
        connection: "DuckDBPyConnection",
        unit: Unit,
        registry: Registry,
        files: Mapping[str, Sequence[str]],
    ) -> None:
        """Makes the views.

        Args:
            connection: of the unit.
            unit: whose rows they hold.
            registry: the contracts in force; a table that none describes is not touched.
            files: of the day, by table.

        Raises:
            duckdb.Error: a file cannot be read.
        """
        tables = registry.tables() if files else {}
        self._views: dict[str, str] = {}
        for name in sorted(files.keys() & tables.keys()):
            view = f"kept_{len(self._views)}"
            columns = [(column.name, duckdb_type(column.type)) for column in tables[name].columns]
            where = f"org_id = {literal(unit.org)} AND {of_bucket(unit)}"
            create_view(connection, view, columns, files[name], where)
            self._views[name] = identifier(view)

    @property
    def tables(self) -> tuple[str, ...]:
        """Those that have rows of the day."""
        return tuple(self._views)

    def of(self, table: str) -> str:
        """A table's rows as what stands behind FROM; empty where it has none."""
        return self._views.get(table, "")

    def left(self, table: str, made: Sequence[str]) -> str:
        """The query of the rows of a table that are in none of the files that were made."""
        without = ""
        if made:
            without = (
                f" WHERE NOT EXISTS (SELECT 1 FROM {parquet(made)} AS made "  # noqa: S608
                f"WHERE {id_of('made')} = {id_of('kept')})"
            )
        return f"SELECT * FROM {self._views[table]} AS kept{without} ORDER BY kept.event_time"  # noqa: S608
