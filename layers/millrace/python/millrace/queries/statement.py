"""A text as something that can be run: a SELECT in any form, DESCRIBE, SUMMARIZE, SHOW TABLES or EXPLAIN of one; nothing else."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from millrace.queries import tree
from millrace.queries.errors import RefusedQueryError, SqlError
from millrace.queries.references import TableReference, rewrite
from millrace.queries.sentences import sentence
from millrace.queries.tokens import bare, split, words
from millrace.queries.tree import Statement

if TYPE_CHECKING:
    import duckdb

Kind = Literal["select", "tables", "describe"]
_SHOW_TABLES = re.compile(r"show\s+(all\s+)?tables|show|describe", re.IGNORECASE)
_EXPLAIN = re.compile(
    r"\s*explain(\s+analyze)?(\s*\(\s*(analyze|format\s+\w+)(\s*,\s*(analyze|format\s+\w+))?\s*\))?\s",
    re.IGNORECASE,
)
_EMPTY = Statement((), frozenset(), {})
_ADVICE = {"COPY": "; --csv writes rows to standard output, --parquet FILE to a file"}


@dataclass(frozen=True, slots=True)
class Judged:
    """What runs.

    Attributes:
        kind: `tables` lists them; `describe` needs columns and no rows.
        text: what runs, which is what was judged.
        statement: what it reads; a table at a moment by the name of its view.
        past: view → the table and moment that it stands for.
    """

    kind: Kind
    text: str
    statement: Statement
    past: Mapping[str, TableReference]


def read(connection: "duckdb.DuckDBPyConnection", sql: str) -> Judged:
    """Judges a text.

    Args:
        connection: parses it, and runs nothing of it.
        sql: as it was written.

    Raises:
        SqlError: it is not one statement of SQL.
        RefusedQueryError: it does more than read tables of the lake.
    """
    import duckdb  # noqa: PLC0415

    if not sql.isascii() and any("\ud800" <= character <= "\udfff" for character in sql):
        raise SqlError("the statement is not text: it has half of a surrogate pair")
    if len(sql) > tree.LONGEST:
        raise SqlError(f"a statement has at most {tree.LONGEST:,} characters")
    if _SHOW_TABLES.fullmatch(sql.strip().rstrip(";")):
        return Judged("tables", "", _EMPTY, {})
    text, references = rewrite(sql)
    past = {one.view.lower(): one for one in references if one.moment is not None}
    try:
        explained = _check_kind(connection, text)
        text = bare(text)
        inner = text[explained:]
        shown = _shown(connection, inner)
        statement = tree.judge(connection, inner) if shown is None else tree.judge_node(shown["query"])
    except duckdb.PermissionException as error:
        # IMPORT DATABASE would read files to be parsed.
        raise RefusedQueryError(f"queries read the lake and nothing else: {sentence(str(error))}") from error
    except duckdb.Error as error:
        raise SqlError(sentence(str(error))) from error
    if shown is None or shown["show_type"] == "SUMMARY":
        return Judged("select", text, statement, past)
    # A table has neither keys nor defaults here, and says of every column that it may be null.
    text = f'SELECT column_name AS "column", column_type AS type FROM (\n{inner}\n)'  # noqa: S608
    return Judged("describe", text, statement, past)


def _check_kind(connection: "duckdb.DuckDBPyConnection", text: str) -> int:
    """Where the SELECT begins, which is 0 but for EXPLAIN."""
    parsed = connection.extract_statements(text)
    if not parsed:
        raise SqlError("there is no statement")
    if len(parsed) > 1:
        if len(split(text)[0]) + bool(split(text)[1]) == 1:
            raise SqlError("PIVOT needs the values that become columns: PIVOT … ON column IN ('a', 'b')")
        raise SqlError("query takes one statement; millrace sql runs several")
    kind = parsed[0].type.name
    first = next((token.name for token in words(text) if token.is_name), "").upper()
    if kind == "EXPLAIN" and (prefix := _EXPLAIN.match(text)):
        _check_kind(connection, text[prefix.end() :])
        return prefix.end()
    if kind != "SELECT" or first in {"PRAGMA", "CALL"}:
        raise RefusedQueryError(
            f"{first} is refused: queries only read (SELECT, FROM, WITH, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES, "
            f"EXPLAIN){_ADVICE.get(first, '')}"
        )
    return 0


def _shown(connection: "duckdb.DuckDBPyConnection", text: str) -> tree.Node | None:
    """The node of DESCRIBE or SUMMARIZE, where the statement is one."""
    (found,) = tree.parse(connection, text)
    source: tree.Node = found["node"].get("from_table") or {}
    if source.get("type") != "SHOW_REF":
        return None
    if source["show_type"] not in {"DESCRIBE", "SUMMARY"} or not source.get("query"):
        raise RefusedQueryError("SHOW lists tables: SHOW TABLES; DESCRIBE names the columns of one")
    return source
