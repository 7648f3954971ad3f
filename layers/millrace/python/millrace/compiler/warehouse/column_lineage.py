"""Which columns of which tables a transform's columns are made of, read from its SQL by sqlglot. Used at build only."""

from collections.abc import Mapping

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage

from millrace.compiler.warehouse.dialect import TENANT
from millrace.warehouse.project import Lineage

# Schema → table → column → type, as sqlglot takes them.
Schema = dict[str, dict[str, dict[str, str]]]


def column_lineage(query: exp.Query, staging: Mapping[str, exp.Query], schema: Schema) -> Lineage:
    """Each column's sources, down through staging to tables of the lake.

    What a column is computed from counts, in windows and filters of its own as well; what only chooses or joins rows
    does not. A count of rows is made of their tenants, in each table that the transform reads.

    Args:
        query: the transform.
        staging: `staging.stg_orders` → its SQL, of every view that the transform reads.
        schema: the physical tables.

    Raises:
        ValueError: sqlglot cannot follow a column, or finds nothing that a column is made of and it is not a literal.
    """
    try:
        nodes = lineage(None, query, schema, sources=staging, dialect="duckdb", trim_selects=False)
    except SqlglotError as error:
        raise ValueError(f"its columns cannot be traced: {error}") from error
    if not isinstance(nodes, dict):
        raise TypeError("sqlglot answered for one column where all were asked")
    # What COUNT(*) counts has no column but the one that every row has.
    rows = {
        (f"{layer}.{table}", TENANT)
        for layer, tables in schema.items()
        for table, columns in tables.items()
        if TENANT in columns
    }
    return {name: _sources(name, node, rows) for name, node in nodes.items()}


def _sources(column: str, root: Node, rows: set[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    columns: set[tuple[str, str]] = set()
    literal = True
    for node in root.walk():
        if node.downstream:
            continue
        if isinstance(node.expression, exp.Table):
            table = node.expression
            # A name that SQL reserves comes in quotes.
            columns.add((f"{table.db}.{table.name}", node.name.rpartition(".")[2].strip('"')))
        elif node.expression.find(exp.Placeholder):
            raise ValueError(f"{column}: nothing is known of {node.name}")
        literal = literal and not node.expression.find(exp.Column)
    if not columns and any(_counts_rows(node.expression) for node in root.walk()):
        columns = rows
    if not columns and not (literal and root.expression.find(exp.Literal, exp.Null, exp.Boolean)):
        raise ValueError(f"{column} is made of no column")
    return tuple(sorted(columns))


def _counts_rows(expression: exp.Expr) -> bool:
    return any(isinstance(count.this, exp.Star) for count in expression.find_all(exp.Count))
