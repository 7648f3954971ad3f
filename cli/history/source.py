"""Transactions of the past from Parquet, in the order of time: the columns of card data, or those of silver transactions."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import UsageError
from cli.output import counted
from millrace.core.sql import identifier, literal
from millrace.features.missing import finite, number, text

if TYPE_CHECKING:
    from millrace.fraud.backtest import Row

ROWS = 20_000
ORG = "org_id"
# What sorting may hold in memory; the rest goes to a temporary folder.
MEMORY = "350MB"
# Our name: the columns that may hold it, the first that exists. `timestamp` is the payload's own time, `event_time` the event's.
NAMES = {
    "moment": ("timestamp", "event_time"),
    "user": ("user_id", "customer_id", "user_key"),
    "amount": ("amount",),
    "payment_method": ("payment_method",),
    "location": ("location",),
    "country": ("country",),
    "is_fraud": ("is_fraud",),
    "transaction": ("transaction_id", "event_id"),
}


class History:
    """The rows of Parquet files as `millrace.fraud.backtest` takes them."""

    def __init__(self, path: Path, org: str | None = None) -> None:
        """Reads the names of the columns.

        Args:
            path: a file, a folder of them, or a pattern.
            org: whose rows count; None where the files are one tenant's.

        Raises:
            UsageError: there is no Parquet file, it has no time or no label, or it has rows of several tenants and none is
                named.
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
        # A time without an offset is UTC on every machine.
        self._connection.execute("SET TimeZone = 'UTC'")
        self._path = path
        self._source = f"read_parquet({_files(path)}, union_by_name = true)"
        try:
            described = self._connection.execute(f"DESCRIBE SELECT * FROM {self._source}").fetchall()  # noqa: S608  quoted
        except duckdb.Error as error:
            raise UsageError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
        self._types = {row[0]: row[1] for row in described}
        self._columns = {
            name: next(their for their in theirs if their in self._types)
            for name, theirs in NAMES.items()
            if any(their in self._types for their in theirs)
        }
        for name in ("moment", "is_fraud"):
            if name not in self._columns:
                raise UsageError(f"{path} has no column {' or '.join(NAMES[name])}, which a back-test needs")
        self._where = self._own(org)

    @property
    def columns(self) -> list[str]:
        """The columns that factors may use; a location includes its country."""
        return [*self._columns, *(["country"] if "location" in self._columns else [])]

    @property
    def notes(self) -> list[str]:
        """What the reader of a result has to know about the source."""
        notes = []
        if self._types[self._columns["moment"]] != "VARCHAR":
            notes.append("late_night and weekend follow UTC: the times of this source have no offset")
        if left_out := self.count() - self._count(f"{self._moment()} IS NOT NULL"):
            notes.append(f"{counted(left_out, 'row')} without a time left out")
        return notes

    def count(self) -> int:
        """How many rows there are."""
        return self._count("true")

    def _count(self, condition: str) -> int:
        row = self._connection.execute(
            f"SELECT count(*) FROM {self._source} WHERE {self._where} AND {condition}"  # noqa: S608  quoted
        ).fetchone()
        return int(row[0]) if row else 0

    def _own(self, org: str | None) -> str:
        """The condition that selects the tenant's rows."""
        if ORG not in self._types:
            if org is not None:
                raise UsageError(f"{self._path} has no column {ORG}: leave --org out")
            return "true"
        if org is not None:
            return f"{ORG} = {literal(org)}"
        orgs = self._connection.execute(
            f"SELECT DISTINCT {ORG} FROM {self._source} ORDER BY 1 LIMIT 3"  # noqa: S608  quoted
        ).fetchall()
        if len(orgs) > 1:
            names = ", ".join(str(row[0]) for row in orgs[:2])
            more = ", …" if len(orgs) > 2 else ""
            raise UsageError(
                f"{self._path} holds rows of several tenants ({names}{more}): name one with --org"
            )
        return "true"

    def batches(self) -> "Iterator[list[Row]]":
        """The rows in the order of time."""
        import duckdb

        from millrace.fraud.backtest import Row

        try:
            cursor = self._connection.execute(
                f"SELECT {', '.join(self._expressions())} FROM {self._source} "  # noqa: S608  quoted
                f"WHERE {self._where} AND {self._moment()} IS NOT NULL ORDER BY 1"
            )
            while rows := cursor.fetchmany(ROWS):
                yield list(map(Row._make, rows))
        except duckdb.Error as error:
            raise UsageError(f"{self._path} cannot be read: {str(error).splitlines()[0]}") from error

    def _moment(self) -> str:
        return finite(identifier(self._columns["moment"]), self._types[self._columns["moment"]])

    def _expressions(self) -> Iterator[str]:
        moment, kind = self._moment(), self._types[self._columns["moment"]]
        if kind == "VARCHAR":
            local = f"replace(substr({moment}, 1, 19), 'T', ' ')::TIMESTAMP"
            yield f"epoch_ms({moment}::TIMESTAMPTZ)"
        else:
            # By its microseconds, with or without a time zone.
            local = f"make_timestamp(epoch_us({moment}))"
            yield f"epoch_ms({moment})"
        yield f"hour({local})"
        yield f"isodow({local}) - 1"
        yield self._optional("user", finite)
        yield self._optional("amount", number, "{}::DOUBLE")
        yield self._optional("payment_method", text)
        if "country" in self._columns:
            yield self._optional("country", text)
        else:
            split = "CASE WHEN contains({0}, ',') THEN nullif(trim(regexp_extract({0}, '[^,]*$')), '') END"
            yield self._optional("location", text, split)
        yield self._optional("is_fraud", number, "{}::BOOLEAN")
        yield self._optional("transaction", text, "{}::VARCHAR")

    def _optional(self, name: str, read: Callable[[str, str], str], form: str = "{}") -> str:
        """The expression of a column; NULL where it does not exist or has no value."""
        if name not in self._columns:
            return "NULL"
        theirs = self._columns[name]
        return form.format(read(identifier(theirs), self._types[theirs]))


def _files(path: Path) -> str:
    if path.is_dir():
        if not any(path.rglob("*.parquet")):
            raise UsageError(f"there is no Parquet below {path}")
        path = path / "**" / "*.parquet"
    elif not path.is_file() and "*" not in str(path):
        raise UsageError(f"there is no {path}")
    return literal(str(path))
