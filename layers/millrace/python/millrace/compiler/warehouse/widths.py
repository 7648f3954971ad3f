"""Whether every type of a transform is wide enough for whatever contracts let in. Used at build only.

What each number may hold at most is followed from the contracts through a transform's SQL to its columns. The cast, sum, product
or division that could fail, and the column that is too narrow, are named with the remedy: TRY_CAST, NULLIF, a wider type. What is
not understood does not pass: a number of which nothing is known may be too large.

compiler/warehouse/ranges.py has the arithmetic. The one thing that it takes on trust is `counted`: counts of groups add up to no more than rows.
"""

from collections.abc import Mapping

from sqlglot import exp

from millrace.compiler.warehouse import expressions, ranges
from millrace.compiler.warehouse.expressions import Columns, Scope
from millrace.compiler.warehouse.ranges import Range
from millrace.contracts.columns import NUMBERS, Scalar
from millrace.contracts.tables import LakeTable


class Widths:
    """What the columns of tables and views hold; transforms are added in the order in which they read each other."""

    def __init__(self, tables: Mapping[str, LakeTable]) -> None:
        """`tables` are all of the lake's, by full name; of those that transforms make it takes what they make."""
        self._tables = tables
        self._known: dict[str, Columns] = {
            name: {c.name: ranges.of_column(c.type, c.schema) for c in table.columns}
            for name, table in tables.items()
            if table.layer == "silver"
        }

    def columns(self, name: str) -> Columns:
        """What the columns of a table or view hold."""
        return self._known[name]

    def add(self, name: str, query: exp.Query) -> list[str]:
        """Takes in a view or a transform; what in it is too narrow, in sentences."""
        reading = _Reading(self._known)
        columns = reading.query(query, {})
        self._known[name] = columns
        problems = [*reading.problems]
        table = self._tables.get(name)
        for column in table.columns if table is not None else ():
            if not isinstance(column.type, Scalar) or column.type.name not in NUMBERS:
                continue
            held, into = columns.get(column.name), _declared(column.type)
            if not isinstance(held, Range):
                problems.append(f"{column.name}: nothing is known of its bounds")
            elif not ranges.fits(held, into):
                problems.append(f"{column.name}: it may be {held.most:.3g}, and is {column.type.name}")
        return list(dict.fromkeys(problems))


def _declared(of: Scalar) -> Range:
    full = ranges.of_type(of.name)
    if full is None:
        raise ValueError(f"{of.name} is not a number")
    # Money's type has room for more than one amount may be, and a mean may be rounded up.
    return ranges.decimal(18, 4) if of.name == "decimal" else full


class _Reading:
    """One transform's SQL, read once."""

    def __init__(self, tables: Mapping[str, Columns]) -> None:
        self._tables = tables
        self.problems: list[str] = []

    def query(self, query: exp.Expr, views: Mapping[str, Columns]) -> Columns:
        """The columns of a SELECT or UNION; `views` are the common table expressions around it."""
        known = dict(views)
        for part in query.ctes if isinstance(query, exp.Query) else ():
            known[part.alias] = self.query(part.this, known)
        if isinstance(query, exp.SetOperation):
            left, right = self.query(query.left, known), self.query(query.right, known)
            pairs = zip(left.items(), right.values(), strict=True)
            return {name: ranges.hull((mine, theirs)) for (name, mine), theirs in pairs}
        if isinstance(query, exp.Subquery):
            return self.query(query.this, known)
        if not isinstance(query, exp.Select):
            raise TypeError(f"{type(query).__name__} is not a SELECT")
        scope = Scope(self._sources(query, known), self.problems.append)
        columns = {column.alias_or_name: scope.value(column) for column in query.expressions}
        # What only chooses, joins or orders rows fails as well.
        for clause in ("where", "group", "having", "order", "qualify"):
            scope.look_at(query.args.get(clause))
        for join in query.args.get("joins") or ():
            scope.look_at(join.args.get("on"))
        return columns

    def _sources(self, query: exp.Select, known: Mapping[str, Columns]) -> dict[str, Columns]:
        first = query.args.get("from_")
        sources: dict[str, Columns] = {}
        nodes = [first.this] if first else []
        for node in (*nodes, *(join.this for join in query.args.get("joins") or ())):
            if isinstance(node, exp.Table):
                name = f"{node.db}.{node.name}" if node.db else node.name
                sources[node.alias_or_name] = (self._tables if node.db else known).get(name, {})
            elif isinstance(node, exp.Unnest):
                sources[node.alias] = dict.fromkeys(node.alias_column_names, expressions.PLACES)
            else:
                sources[node.alias_or_name] = self.query(node, known)
        return sources
