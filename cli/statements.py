"""Which SQL statements `query` and `sql` run: those that only read, and for one tenant nothing but tables and views."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from cli.errors import RefusedError, UsageError
from cli.table_names import SCHEMAS, Token, scan

if TYPE_CHECKING:
    import duckdb

# Functions that give a table and read no file and no other text of SQL.
HARMLESS = frozenset(
    {
        "duckdb_columns",
        "duckdb_functions",
        "duckdb_keywords",
        "duckdb_types",
        "generate_series",
        "json_each",
        "json_tree",
    }
    | {"pragma_version", "range", "repeat", "repeat_row", "unnest"}
)
_ADVICE = {"COPY": "; --csv writes rows to standard output, --parquet FILE to a file"}


def split(text: str) -> tuple[list[str], str]:
    """The statements of a text that end with a semicolon, and what is left behind the last of them."""
    statements, start = [], 0
    for token in scan(text):
        if token.kind == "other" and (token.text in {"'", '"'} or text.startswith("/*", token.start)):
            # Not closed yet: what follows is still part of it.
            break
        if token.text == ";":
            statements.append(text[start : token.start].strip())
            start = token.end
    return [one for one in statements if words(one)], text[start:].strip()


def words(text: str) -> list[Token]:
    """The tokens without spaces and comments."""
    return [token for token in scan(text) if token.kind != "skip"]


def check(connection: "duckdb.DuckDBPyConnection", text: str, *, one_tenant: bool) -> None:
    """Returns if a text is one statement that only reads.

    Args:
        connection: parses it.
        text: the statement, its tables already replaced by views.
        one_tenant: whether it may read nothing but the views of a tenant: no files, and no SQL in a text.

    Raises:
        UsageError: it is none, or several.
        RefusedError: it would change something, or read something else.
        duckdb.ParserException: it is not SQL.
    """
    parsed = connection.extract_statements(text)
    tokens = words(text)
    if not parsed:
        raise UsageError("there is no statement")
    first = next((token.name for token in tokens if token.is_name), "")
    if len(parsed) > 1:
        if len(split(text)[0]) + bool(split(text)[1]) == 1:
            raise UsageError("PIVOT needs the values that become columns: PIVOT … ON column IN ('a', 'b')")
        raise UsageError("query takes one statement; millrace sql runs several")
    kind = parsed[0].type.name
    if kind == "EXPLAIN":
        check(connection, text[_explained(tokens) :], one_tenant=one_tenant)
    elif kind != "SELECT" or first in {"pragma", "call"}:
        raise RefusedError(
            f"{first.upper()} is refused: queries only read (SELECT, FROM, WITH, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES, "
            f"EXPLAIN){_ADVICE.get(first.upper(), '')}"
        )
    elif one_tenant:
        _check_sources(connection, text)


def _explained(tokens: list[Token]) -> int:
    """Where the statement behind EXPLAIN begins."""
    at = 1
    if tokens[at].name == "analyze":
        at += 1
    if tokens[at].text == "(" and tokens[at + 1].name in {"analyze", "format"}:
        at = next((place for place, token in enumerate(tokens) if token.text == ")"), at) + 1
    return tokens[at].start


def _check_sources(connection: "duckdb.DuckDBPyConnection", text: str) -> None:
    row = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchone()
    tree = orjson.loads(row[0]) if row else {}
    if tree.get("error", True):
        raise RefusedError(
            "with a tenant chosen this form is refused, as its tables cannot be known: write it as SELECT"
        )
    for node in _nodes(tree["statements"]):
        match node.get("type"):
            case "TABLE_FUNCTION" if (name := str(node["function"]["function_name"]).lower()) not in HARMLESS:
                raise RefusedError(f"{name} is refused with a tenant chosen: it could read what is of others")
            case "BASE_TABLE" if "/" in node["table_name"] or node.get("catalog_name"):
                raise RefusedError(f"{node['table_name']} is not a table of {', '.join(SCHEMAS)}")


def _nodes(value: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
