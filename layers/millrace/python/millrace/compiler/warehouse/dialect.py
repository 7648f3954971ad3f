"""What a transform's SQL may say, so that it means the same on DuckDB and Athena, for one tenant and at any time.

DuckDB's dialect is the source, Athena's is derived from it. Refused is what does not cross (`median`, `string_agg`,
`GROUP BY ALL`, `* EXCLUDE`, `//`, QUALIFY, functions that one engine has), what gives other rows when run again
(clocks, chance, ranks without an order), what adds money as floats, and what could mix tenants. Used at build only.

Of a list, row by row: ARRAY_LENGTH, a subscript, LIST_TRANSFORM, LIST_FILTER, LIST_MAX and LIST_SUM. The engines differ on
lists that are empty or hold nulls, so what a list is reduced to is written in the one form that means the same on both:
`LIST_MAX(LIST_TRANSFORM(x, LAMBDA i : COALESCE(…)))` and
`COALESCE(LIST_SUM(LIST_TRANSFORM(x, LAMBDA i : CAST(… AS DECIMAL(38, n)))), 0)`.
"""

from collections.abc import Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, UnsupportedError

TENANT = "org_id"
_CLOCK = "rows depend on no clock, so that a day built again is the same: compare with a column, such as event_time"
_REFUSED: dict[type[exp.Expression], str] = {
    exp.Median: "median is DuckDB's own",
    exp.GroupConcat: "string_agg does not cross to Athena",
    exp.Qualify: "Athena has no QUALIFY: rank in a subquery, and filter outside by WHERE",
    exp.IntDiv: "// divides in DuckDB only",
    exp.Limit: "which rows a LIMIT keeps is an engine's choice: number them by ROW_NUMBER() in a subquery, and keep the first",
    exp.Length: "LEN and LENGTH of a list are texts' on Athena: ARRAY_LENGTH",
    exp.CurrentTimestamp: _CLOCK,
    exp.CurrentDate: _CLOCK,
    exp.CurrentTime: _CLOCK,
    exp.CurrentDatetime: _CLOCK,
    exp.Localtime: _CLOCK,
    exp.Localtimestamp: _CLOCK,
    exp.Rand: "rows depend on no chance",
    exp.Uuid: "rows depend on no chance",
    exp.AnyValue: "any_value depends on the order of rows",
    exp.First: "first depends on the order of rows",
    exp.Last: "last depends on the order of rows",
    exp.ArrayAgg: "a list depends on the order of rows",
    exp.Mode: "of equals, mode takes one as it likes",
    exp.ApproxDistinct: "each engine approximates in its own way",
    exp.ApproxQuantile: "each engine approximates in its own way",
    exp.Avg: "avg adds floats: the macro mean divides an exact sum",
    exp.Comprehension: "list comprehensions are DuckDB's own",
    exp.Anonymous: "a function that is not known on both engines",
    exp.Command: "a transform is one SELECT",
}
_FLOATS = (exp.DataType.Type.DOUBLE, exp.DataType.Type.FLOAT)


def parse(sql: str) -> exp.Query:
    """The one SELECT of a transform.

    Raises:
        ValueError: it is none.
    """
    try:
        (found,) = sqlglot.parse(sql, dialect="duckdb")
    except ParseError as error:
        raise ValueError(f"DuckDB would not read it: {str(error).splitlines()[0]}") from error
    except ValueError as error:
        raise ValueError("a transform is one SELECT, without a semicolon") from error
    if not isinstance(found, exp.Query):
        raise ValueError("a transform is one SELECT")  # noqa: TRY004  what the text says, not its type
    # sqlglot writes LIST_SUM, and does not read it.
    for call in [*found.find_all(exp.Anonymous)]:
        if call.name.upper() == "LIST_SUM" and len(call.expressions) == 1:
            call.replace(exp.ArraySum(this=call.expressions[0]))
    return found


def problems(query: exp.Query) -> list[str]:
    """Everything that a transform's SQL may not say."""
    found = [
        f"{node.sql('duckdb')[:60]}: {sentence}"
        for node in query.find_all(*_REFUSED)
        for kind, sentence in _REFUSED.items()
        if isinstance(node, kind)
    ]
    # DuckDB's now() is none of sqlglot's clocks.
    found = [
        _CLOCK.join((one.partition(": ")[0] + ": ", "")) if one.startswith("NOW()") else one for one in found
    ]
    # One sentence a fault, however often it stands there.
    judged = (_stars, _groups, _floats, _lists, _tenants)
    return list(dict.fromkeys([*found, *(sentence for judge in judged for sentence in judge(query))]))


def athena(query: exp.Query) -> str:
    """The same SELECT in Athena's dialect.

    Raises:
        ValueError: some part of it has no form there.
    """
    try:
        text = _lists_of_athena(query).sql(
            "athena", unsupported_level=sqlglot.ErrorLevel.RAISE, pretty=True, comments=False
        )
        sqlglot.parse_one(text, dialect="athena")
    except (UnsupportedError, ParseError) as error:
        raise ValueError(f"Athena would not read it: {str(error).splitlines()[0]}") from error
    return text


def _stars(query: exp.Query) -> Iterator[str]:
    for select in query.find_all(exp.Select):
        for column in select.expressions:
            star = column.find(exp.Star) if isinstance(column, exp.Star | exp.Column) else None
            if star is not None:
                more = star.args.get("except_") or star.args.get("replace") or star.args.get("except")
                yield (
                    "* EXCLUDE is DuckDB's own"
                    if more
                    else "SELECT * does not say which columns there are: name them, in the order of the contract"
                )
    yield from ("COLUMNS(…) is DuckDB's own" for _ in query.find_all(exp.Columns))


def _groups(query: exp.Query) -> Iterator[str]:
    for group in query.find_all(exp.Group):
        if group.args.get("all") is not None:
            yield "GROUP BY ALL is DuckDB's own"
        if any(isinstance(one, exp.Literal) for one in group.expressions):
            yield "GROUP BY names columns, not places: repeat the expression"
    for window in query.find_all(exp.Window):
        ranks = isinstance(window.this, exp.RowNumber | exp.Lag | exp.Lead | exp.FirstValue | exp.LastValue)
        if ranks and window.args.get("order") is None:
            yield f"{window.sql('duckdb')[:60]}: a rank needs an order"


def _floats(query: exp.Query) -> Iterator[str]:
    for total in query.find_all(exp.Sum):
        casts = (cast.to.this for cast in total.find_all(exp.Cast))
        if any(kind in _FLOATS for kind in casts) or total.find(exp.Div):
            yield f"{total.sql('duckdb')[:60]}: money is never added as floats"


def _lists(query: exp.Query) -> Iterator[str]:
    for largest in query.find_all(exp.ArrayMax):
        if not isinstance(_each(largest), exp.Coalesce):
            yield f"{largest.sql('duckdb')[:60]}: with a null in the list Athena's is null: LIST_TRANSFORM to COALESCE"
    for node in query.find_all(exp.ArraySum):
        if _decimal(node) is None:
            yield f"{node.sql('duckdb')[:60]}: Athena adds in one type: LIST_TRANSFORM to CAST(… AS DECIMAL(38, n))"
        around = node.parent
        if not isinstance(around, exp.Coalesce) or [one.name for one in around.expressions] != ["0"]:
            yield f"{node.sql('duckdb')[:60]}: of no items DuckDB's is null, Athena's 0: COALESCE(…, 0)"


def _each(node: exp.Expression) -> exp.Expression | None:
    """What a function of a list takes of each item, where LIST_TRANSFORM makes the list."""
    return node.this.expression.this if isinstance(node.this, exp.Transform) else None


def _decimal(node: exp.Expression) -> exp.DataType | None:
    """The type in which a list is added."""
    each = _each(node)
    wide = isinstance(each, exp.Cast) and each.to.is_type(exp.DType.DECIMAL) and len(each.to.expressions) == 2
    return each.to if isinstance(each, exp.Cast) and wide and each.to.expressions[0].name == "38" else None


def _lists_of_athena(query: exp.Query) -> exp.Query:
    """The same with Athena's words for lists: REDUCE adds, and a subscript beyond the end is null instead of an error."""
    found = query.copy()
    for bracket in found.find_all(exp.Bracket):
        bracket.set("safe", True)
    for node in [*found.find_all(exp.ArraySum)]:
        zero = exp.cast(exp.Literal.number(0), _decimal(node) or exp.DType.DOUBLE)
        total, item = exp.to_identifier("total"), exp.to_identifier("item")
        plus = exp.Add(
            this=total.copy(), expression=exp.Coalesce(this=item.copy(), expressions=[zero.copy()])
        )
        added = exp.Lambda(this=plus, expressions=[total.copy(), item])
        ended = exp.Lambda(this=total.copy(), expressions=[total])
        node.replace(exp.Reduce(this=node.this, initial=zero, merge=added, finish=ended))
    return found


def _tenants(query: exp.Query) -> Iterator[str]:
    for join in query.find_all(exp.Join):
        if isinstance(join.this, exp.Unnest):
            continue
        using = any(column.name == TENANT for column in join.args.get("using") or ())
        if not using and not any(_joins_tenant(part) for part in _conjuncts(join.args.get("on"))):
            yield f"{join.sql('duckdb')[:60]}: a join has {TENANT} = {TENANT} in its ON, so that no tenant meets another"
    for select in query.find_all(exp.Query):
        inside = select.parent
        while isinstance(inside, exp.Subquery):
            inside = inside.parent
        if not isinstance(inside, exp.From | exp.Join | exp.CTE | exp.SetOperation | None):
            yield f"{select.sql('duckdb')[:60]}: a query in a condition or column joins without {TENANT}: JOIN"
    for window in query.find_all(exp.Window):
        if not any(_is_tenant(part) for part in window.args.get("partition_by") or ()):
            yield f"{window.sql('duckdb')[:60]}: a window is partitioned by {TENANT}"
    for select in query.find_all(exp.Select):
        group = select.args.get("group")
        sums = any(isinstance(node, exp.AggFunc) for node in _own(select))
        if (group is not None or sums) and not any(_is_tenant(part) for part in group or ()):
            yield f"{select.sql('duckdb')[:60]}: rows are grouped by {TENANT}: name it in GROUP BY"


def _own(select: exp.Select) -> Iterator[exp.Expression]:
    """What stands in a SELECT's own columns, windows aside: those are no aggregates."""
    for column in select.expressions:
        for node in column.walk(prune=lambda one: isinstance(one, exp.Query | exp.Window)):
            if not isinstance(node, exp.Window):
                yield node


def _conjuncts(condition: exp.Expression | None) -> Iterator[exp.Expression]:
    if isinstance(condition, exp.And | exp.Paren):
        for part in (condition.this, condition.args.get("expression")):
            yield from _conjuncts(part)
    elif condition is not None:
        yield condition


def _joins_tenant(part: exp.Expression) -> bool:
    return isinstance(part, exp.EQ) and _is_tenant(part.this) and _is_tenant(part.expression)


def _is_tenant(part: object) -> bool:
    return isinstance(part, exp.Column) and part.name == TENANT
