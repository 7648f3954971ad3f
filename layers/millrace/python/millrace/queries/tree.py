"""What a statement is, by DuckDB's own parser: one that only reads tables of the lake with functions that read nothing else.

Everything is refused that is not known: kinds of nodes, functions and sources of rows have lists of those that may be there.
The text that was judged is the text that runs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from millrace.queries.errors import RefusedQueryError, SqlError
from millrace.queries.functions import SCALARS, SYSTEM_RELATIONS, TABLE_FUNCTIONS
from millrace.queries.references import SCHEMAS

if TYPE_CHECKING:
    import duckdb

LONGEST = 100_000
_EXPRESSIONS = frozenset(
    (  # noqa: SIM905  words
        "BETWEEN CASE CAST COLLATE COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION LAMBDA OPERATOR "
        "POSITIONAL_REFERENCE STAR SUBQUERY TYPE WINDOW"
    ).split()
)
_NODES = frozenset(
    (  # noqa: SIM905
        "SELECT_NODE SET_OPERATION_NODE RECURSIVE_CTE_NODE CTE_NODE "
        "BASE_TABLE SUBQUERY JOIN TABLE_FUNCTION EXPRESSION_LIST EMPTY PIVOT "
        "LIMIT_MODIFIER LIMIT_PERCENT_MODIFIER ORDER_MODIFIER DISTINCT_MODIFIER"
    ).split()
)
_ORDERS = frozenset({"ORDER_DEFAULT", "ORDER_ASCENDING", "ORDER_DESCENDING", "ASCENDING", "DESCENDING"})
# Of what a type is made of: CAST(… AS JSON), AS STRUCT(…).
_OF_TYPES = "_TYPE_INFO"
Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Statement:
    """What a text reads.

    Attributes:
        tables: `schema.name` in lower case of the tables that it names, each once, in order.
        columns: in lower case every name that may be a column's; None if all columns of its tables may be meant.
        node: the tree of its SELECT.
    """

    tables: tuple[str, ...]
    columns: frozenset[str] | None
    node: Node


def judge(connection: "duckdb.DuckDBPyConnection", text: str) -> Statement:
    """A text as a statement.

    Args:
        connection: parses it, and runs nothing of it.
        text: one SELECT, in whatever form.

    Raises:
        SqlError: it is not SQL, or several statements.
        RefusedQueryError: it does more than read tables of the lake.
    """
    tree = parse(connection, text)
    if len(tree) != 1:
        raise SqlError("a query is one statement")
    if tree[0].get("named_param_map"):
        raise RefusedQueryError("a query has no parameters: write the values into it")
    return judge_node(tree[0]["node"])


def judge_node(node: Node) -> Statement:
    """The tree of a SELECT, likewise.

    Raises:
        RefusedQueryError: as `judge`.
    """
    ctes = frozenset(_ctes(node))
    tables: dict[str, None] = {}
    for one in nodes(node):
        _check(one)
        if one.get("type") == "BASE_TABLE" and (name := _table(one, ctes)):
            tables[name] = None
    return Statement(tuple(tables), _columns(node), node)


def parse(connection: "duckdb.DuckDBPyConnection", text: str) -> list[dict[str, Any]]:
    """The trees of the statements of a text, which are all SELECTs.

    Raises:
        SqlError: it is not SQL, or longer or deeper than what is read.
        RefusedQueryError: something in it is not a SELECT.
    """
    import duckdb  # noqa: PLC0415  80 MB that only this function loads

    try:
        row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [text]).fetchone()
        tree: dict[str, Any] = orjson.loads(row[0]) if row else {"error": True}
    except (duckdb.Error, orjson.JSONDecodeError) as error:
        raise SqlError("the statement is nested too deeply") from error
    if tree["error"]:
        raise RefusedQueryError(f"this form is refused: write it as SELECT ({tree.get('error_message', '')})")
    found: list[dict[str, Any]] = tree["statements"]
    return found


def nodes(value: Any) -> Iterator[Node]:
    """Every object of a tree."""
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += reversed(node.values())
        elif isinstance(node, list):
            waiting += reversed(node)


def _check(node: Node) -> None:
    kind, of = node.get("type"), node.get("class")
    if of is not None:
        if of not in _EXPRESSIONS:
            what = "a parameter" if of == "PARAMETER" else f"an expression of the kind {of}"
            raise RefusedQueryError(f"a query has no room for {what}")
        if of in {"FUNCTION", "WINDOW"}:
            _check_function(node)
    elif (
        isinstance(kind, str) and kind not in _NODES and kind not in _ORDERS and not kind.endswith(_OF_TYPES)
    ):
        what = "DESCRIBE, SHOW and SUMMARIZE inside a query" if kind == "SHOW_REF" else f"{kind} in a query"
        raise RefusedQueryError(f"{what} is refused")
    if kind == "TABLE_FUNCTION":
        name = str(node["function"].get("function_name", "")).lower()
        if node["function"].get("class") != "FUNCTION" or name not in TABLE_FUNCTIONS:
            raise RefusedQueryError(f"{name} is refused: a query reads tables of {', '.join(SCHEMAS)} only")


def _check_function(node: Node) -> None:
    name = str(node.get("function_name", "")).lower()
    if name not in SCALARS and name not in TABLE_FUNCTIONS:
        raise RefusedQueryError(f"the function {name} is not one that queries may use")
    if node.get("catalog"):
        raise RefusedQueryError(f"the function {name} is named by its name alone")


def _table(node: Node, ctes: frozenset[str]) -> str | None:
    """The table of the lake that a reference names; None where it is a part of the statement itself (WITH)."""
    schema, name = str(node.get("schema_name") or "").lower(), str(node.get("table_name") or "").lower()
    if node.get("at_clause"):
        raise RefusedQueryError(f"write the past of a table as {schema}.{name} AS OF a snapshot or a time")
    if node.get("catalog_name"):
        raise RefusedQueryError(f"{name} is not a table of {', '.join(SCHEMAS)}: those have two names")
    if schema:
        if schema not in SCHEMAS:
            raise RefusedQueryError(f"{schema}.{name} is not a table of {', '.join(SCHEMAS)}")
        return f"{schema}.{name}"
    if name in ctes:
        return None
    if "/" in name or name.startswith(SYSTEM_RELATIONS):
        raise RefusedQueryError(f"{name} is not a table of {', '.join(SCHEMAS)}")
    return name


def _ctes(node: Node) -> Iterator[str]:
    """Names that WITH gives in a statement.

    Raises:
        RefusedQueryError: a name is one that DuckDB has itself: where it is out of scope, it would be DuckDB's.
    """
    for one in nodes(node):
        for entry in (one.get("cte_map") or {}).get("map", ()):
            name = str(entry["key"]).lower()
            if not name.replace("_", "a").isalnum() or name.startswith(SYSTEM_RELATIONS):
                raise RefusedQueryError(f"WITH {name} is refused: give it another name")
            yield name


def _columns(root: Node) -> frozenset[str] | None:
    names: set[str] = set()
    relations: set[str] = set()
    for node in nodes(root):
        kind, of = node.get("type"), node.get("class")
        if (
            of == "STAR"
            or kind == "PIVOT"
            or (kind == "JOIN" and node.get("ref_type") == "NATURAL")
            or (kind == "BASE_TABLE" and node.get("column_name_alias"))
        ):
            return None
        if of == "COLUMN_REF":
            names |= {str(part).lower() for part in node["column_names"]}
        elif of in {"FUNCTION", "WINDOW"}:
            # `column.upper()` has the column as its schema.
            names.add(str(node.get("schema") or "").lower())
        elif kind == "JOIN":
            names |= {str(part).lower() for part in node.get("using_columns", ())}
        elif kind == "BASE_TABLE":
            relations |= {str(node.get(part) or "").lower() for part in ("table_name", "alias")}
    # A relation by its name alone is a row, with all of its columns.
    return None if names & (relations - {""}) and _rows(root, relations) else frozenset(names)


def _rows(root: Node, relations: set[str]) -> bool:
    return any(
        str(node["column_names"][-1]).lower() in relations
        for node in nodes(root)
        if node.get("class") == "COLUMN_REF"
    )
