"""Transactions of the past from Parquet, in the order of time: the columns of card data, or those of silver transactions."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import UsageError

if TYPE_CHECKING:
    import duckdb

    from millrace.fraud.backtest import Row

ROWS = 20_000
# What sorting may hold in memory; the rest goes to a temporary folder.
MEMORY = "350MB"
# Ours ← theirs, the first that is there. `timestamp` is the payload's own moment, `event_time` the event's.
NAMES = {
    "moment": ("timestamp", "event_time"),
    "user": ("user_id", "customer_id", "user_key"),
    "amount": ("amount",),
    "payment_method": ("payment_method",),
    "location": ("location",),
    "country": ("country",),
    "is_fraud": ("is_fraud",),
}


class History:
    """The rows of Parquet files as `millrace.fraud.backtest` takes them."""

    def __init__(self, path: Path) -> None:
        """Looks at the columns.

        Raises:
            UsageError: there is no Parquet, or it has no moment or no label.
        """
        import duckdb

        self._connection = duckdb.connect(
            config={
                "autoinstall_known_extensions": "false",
                "memory_limit": MEMORY,
                "threads": "2",
                "preserve_insertion_order": "false",
            }
        )
        self._source = f"read_parquet({_files(path)}, union_by_name = true)"
        try:
            described = self._connection.execute(f"DESCRIBE SELECT * FROM {self._source}").fetchall()  # noqa: S608  quoted
        except duckdb.Error as error:
            raise UsageError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
        self._types = {row[0]: row[1] for row in described}
        self._found = {
            name: next(their for their in theirs if their in self._types)
            for name, theirs in NAMES.items()
            if any(their in self._types for their in theirs)
        }
        for name in ("moment", "is_fraud"):
            if name not in self._found:
                raise UsageError(f"{path} has no column {' or '.join(NAMES[name])}, which a back-test needs")

    @property
    def columns(self) -> list[str]:
        """What factors may ask for: a location says its country."""
        return [*self._found, *(["country"] if "location" in self._found else [])]

    @property
    def notes(self) -> list[str]:
        """What the reader of a result has to know of the source."""
        if self._types[self._found["moment"]] == "VARCHAR":
            return []
        return ["late_night and weekend follow UTC: the moments of this source carry no offset"]

    def count(self) -> int:
        """How many rows there are, by the files' own metadata."""
        found = self._connection.execute(f"SELECT count(*) FROM {self._source}").fetchone()  # noqa: S608  quoted
        return int(found[0]) if found else 0

    def batches(self) -> "Iterator[list[Row]]":
        """The rows in the order of time."""
        from millrace.fraud.backtest import Row

        cursor: duckdb.DuckDBPyConnection = self._connection.execute(
            f"SELECT {', '.join(self._expressions())} FROM {self._source} "  # noqa: S608  quoted
            f"WHERE {_quoted(self._found['moment'])} IS NOT NULL ORDER BY 1"
        )
        while rows := cursor.fetchmany(ROWS):
            yield list(map(Row._make, rows))

    def _expressions(self) -> Iterator[str]:
        moment = _quoted(self._found["moment"])
        kind = self._types[self._found["moment"]]
        if kind == "VARCHAR":
            local = f"replace(substr({moment}, 1, 19), 'T', ' ')::TIMESTAMP"
            yield f"epoch_ms({moment}::TIMESTAMPTZ)"
        else:
            # By its microseconds, whether or not the column knows a zone.
            local = f"make_timestamp(epoch_us({moment}))"
            yield f"epoch_ms({moment})"
        yield f"hour({local})"
        yield f"isodow({local}) - 1"
        yield self._optional("user", "{}")
        yield self._optional("amount", "{}::DOUBLE")
        yield self._optional("payment_method", "{}")
        if "country" in self._found:
            yield _quoted(self._found["country"])
        else:
            split = "CASE WHEN contains({0}, ',') THEN nullif(trim(regexp_extract({0}, '[^,]*$')), '') END"
            yield self._optional("location", split)
        yield self._optional("is_fraud", "{}::BOOLEAN")

    def _optional(self, name: str, form: str) -> str:
        return form.format(_quoted(self._found[name])) if name in self._found else "NULL"


def _files(path: Path) -> str:
    if path.is_dir():
        if not any(path.rglob("*.parquet")):
            raise UsageError(f"there is no Parquet below {path}")
        path = path / "**" / "*.parquet"
    elif not path.is_file() and "*" not in str(path):
        raise UsageError(f"there is no {path}")
    return "'" + str(path).replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
