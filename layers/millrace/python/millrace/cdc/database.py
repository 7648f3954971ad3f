"""A PostgreSQL database as a source is read: plain SQL, no replication connection."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from millrace.cdc.changes import of_texts
from millrace.cdc.events import lsn_of, lsn_text
from millrace.cdc.values import SETTINGS, Reader, reader
from millrace.core.errors import PermanentError

_NAME = re.compile(r"[a-z0-9_]{1,63}")
# Rows of one answer: what is in memory at once, whatever the size of a transaction.
FETCHED = 2_000


class Session(Protocol):
    """A connection in autocommit."""

    def run(self, sql: str, **values: Any) -> Sequence[Sequence[Any]]:
        """The rows of a statement; `:name` stands for a value.

        Raises:
            RetryableError: the server does not answer, or not now.
            PermanentError: it refuses the statement.
        """
        ...

    def close(self) -> None:
        """Ends it."""
        ...


@dataclass(frozen=True, slots=True)
class Slot:
    """A logical replication slot.

    Attributes:
        confirmed: to where it was advanced, in bytes of the log.
        wal_status: `reserved`, `extended`, `unreserved`, or `lost` where changes it needs are gone.
        lag_bytes: of the log that lies behind `confirmed`.
        kept_bytes: of the log that the server keeps for it.
    """

    confirmed: int
    wal_status: str
    lag_bytes: int
    kept_bytes: int


@dataclass(frozen=True, slots=True)
class Table:
    """A published table: its names, its key's columns (none: it has no key), its columns with their types' OIDs, its identity."""

    name: tuple[str, str]
    key: tuple[str, ...]
    columns: tuple[tuple[str, int], ...]
    identity: str


class Database:
    """What is asked of a database, each as a statement."""

    def __init__(self, session: Session) -> None:
        """Sets what the text of values depends on, and an end for transactions that nobody ends."""
        self._session = session
        settings = {**SETTINGS, "idle_in_transaction_session_timeout": "300s", "search_path": "pg_catalog"}
        for name, value in settings.items():
            session.run("SELECT set_config(:name, :value, false)", name=name, value=value)
        self._bases: dict[int, str] = {}

    def system(self) -> str:
        """The server's identifier, which a copy restored elsewhere shares and no other server has."""
        return str(self._session.run("SELECT system_identifier::text FROM pg_control_system()")[0][0])

    def wal_level(self) -> str:
        """`logical`, or what is set in its place."""
        return str(self._session.run("SELECT current_setting('wal_level')")[0][0])

    def flushed(self) -> int:
        """How far the log is on disk."""
        return lsn_of(self._session.run("SELECT pg_current_wal_flush_lsn()::text")[0][0])

    def has_publication(self, name: str) -> bool:
        """Whether there is one of this name."""
        return bool(self._session.run("SELECT 1 FROM pg_publication WHERE pubname = :name", name=name))

    def tables(self, publication: str) -> list[Table]:
        """The published tables by name."""
        rows = self._session.run(
            """
            SELECT n.nspname::text, c.relname::text, c.relreplident::text,
                   a.attname::text, a.atttypid::bigint,
                   coalesce((SELECT k.place FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, place)
                             WHERE k.attnum = a.attnum), 0),
                   CASE WHEN b.typnamespace = 'pg_catalog'::regnamespace THEN b.typname::text ELSE '' END
            FROM pg_publication_tables p
            JOIN pg_namespace n ON n.nspname = p.schemaname
            JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                 AND a.attname = ANY(p.attnames)
            JOIN pg_type t ON t.oid = a.atttypid
            JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
            LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
            WHERE p.pubname = :name
            ORDER BY 1, 2, a.attnum
            """,
            name=publication,
        )
        found: dict[tuple[str, str], list[Any]] = {}
        for schema, table, identity, column, oid, place, base in rows:
            one = found.setdefault((schema, table), [[], [], identity])
            one[0].append((column, int(oid)))
            if base:
                self._bases[int(oid)] = base
            if place:
                one[1].append((int(place), column))
        return [
            Table(name, tuple(column for _, column in sorted(key)), tuple(columns), identity)
            for name, (columns, key, identity) in found.items()
        ]

    def types(self, table: Table) -> dict[str, str]:
        """Of each column of such a table the built-in type below it; empty for what is not built in."""
        return {name: self._bases.get(oid, "") for name, oid in table.columns}

    def slot(self, name: str) -> Slot | None:
        """The slot of this name; None where there is none."""
        rows = self._session.run(
            """
            SELECT confirmed_flush_lsn::text, coalesce(wal_status, 'lost'),
                   greatest(0, pg_current_wal_flush_lsn() - confirmed_flush_lsn)::bigint,
                   coalesce(pg_current_wal_flush_lsn() - restart_lsn, 0)::bigint
            FROM pg_replication_slots
            WHERE slot_name = :name AND database = current_database() AND plugin = 'pgoutput'
            """,
            name=name,
        )
        if not rows:
            return None
        confirmed, status, lag, kept = rows[0]
        return Slot(lsn_of(confirmed or "0/0"), status, int(lag or 0), int(kept))

    def create_slot(self, name: str) -> int:
        """Makes it; from where changes are told, in bytes of the log."""
        rows = self._session.run(
            "SELECT lsn::text FROM pg_create_logical_replication_slot(:name, 'pgoutput')", name=name
        )
        return lsn_of(rows[0][0])

    def drop_slot(self, name: str) -> None:
        """Removes it: changes that were not read are lost."""
        self._session.run("SELECT pg_drop_replication_slot(:name)", name=name)

    def advance(self, name: str, lsn: int) -> None:
        """Lets the server forget what lies before."""
        self._session.run(
            "SELECT 1 FROM pg_replication_slot_advance(:name, (:lsn)::pg_lsn)", name=name, lsn=lsn_text(lsn)
        )

    @contextmanager
    def peek(self, slot: str, publication: str, up_to: int, changes: int) -> Iterator[Iterator[bytes]]:
        """The messages that wait, up to a place in the log and about so many, without forgetting any.

        The server counts changes at ends of transactions: one of a million changes comes whole, and is read here in pages.
        """
        if not (_NAME.fullmatch(slot) and _NAME.fullmatch(publication)):
            raise PermanentError("names of slots and publications are of small letters, digits and _")
        self._session.run("BEGIN READ ONLY")
        try:
            # The names were judged above, the rest are numbers.
            self._session.run(
                f"DECLARE changes NO SCROLL CURSOR FOR SELECT data FROM pg_logical_slot_peek_binary_changes("  # noqa: S608
                f"'{slot}', '{lsn_text(up_to)}', {changes:d}, "
                f"'proto_version', '1', 'publication_names', '{publication}')"
            )
            yield self._fetched()
        finally:
            self._session.run("ROLLBACK")

    def _fetched(self) -> Iterator[bytes]:
        while rows := self._session.run(f"FETCH {FETCHED} FROM changes"):
            for (data,) in rows:
                yield bytes(data)

    def watermark(self, known: int) -> int:
        """A place before which no change was committed that a row read from now on could lack.

        A transaction's commit is in the log a moment before others see it. So the present place serves only if nobody who was
        under way when it was read is still under way; else the one that is known stays. Whoever committed before the place has a
        lower id than this session is given after it (the upper bound of a snapshot is lower than ids under way may be).
        """
        ((place,),) = self._session.run("SELECT pg_current_wal_insert_lsn()::text")
        ((under_way,),) = self._session.run("SELECT pg_current_xact_id()::text")
        ((oldest,),) = self._session.run("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")
        return max(known, lsn_of(place)) if int(oldest) >= int(under_way) else known

    def chunk(
        self, table: Table, after: tuple[str, ...] | None, rows: int
    ) -> list[tuple[tuple[str, ...], dict[str, Any], dict[str, dict[str, str]]]]:
        """The next rows by key: the texts of the key, the values, and what is special of them."""
        columns: tuple[tuple[str, Reader], ...] = tuple(
            (name, reader(oid, self._bases)) for name, oid in table.columns
        )
        # With the table's alias: a bare name would be the column of the result, which is text and sorts as such.
        key = ", ".join(f"t.{_quoted(name)}" for name in table.key)
        selected = ", ".join(f"t.{_quoted(name)}::text" for name, _ in table.columns)
        where, values = "", {}
        if after is not None:
            types = dict(table.columns)
            names = self._session.run(
                "SELECT oid::bigint, format_type(oid, -1) FROM pg_type WHERE oid = ANY((:oids)::oid[])",
                oids="{" + ",".join(str(types[name]) for name in table.key) + "}",
            )
            written = {int(oid): name for oid, name in names}
            bound = ", ".join(f"(:k{n})::text::{written[types[name]]}" for n, name in enumerate(table.key))
            where = f" WHERE ({key}) > ({bound})"
            values = {f"k{n}": text for n, text in enumerate(after)}
        found = self._session.run(
            f"SELECT {selected} FROM {'.'.join(map(_quoted, table.name))} t{where} "  # noqa: S608  names are quoted
            f"ORDER BY {key} LIMIT {rows:d}",
            **values,
        )
        places = [[name for name, _ in table.columns].index(name) for name in table.key]
        return [(tuple(row[place] for place in places), *of_texts(columns, tuple(row))) for row in found]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
