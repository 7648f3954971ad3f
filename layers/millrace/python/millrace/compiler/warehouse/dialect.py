"""What a transform's SQL may say, so that it means the same on DuckDB and Athena, for one tenant and at any time.

DuckDB's dialect is the source, Athena's is derived from it. Refused is what does not cross (`median`, `string_agg`,
`GROUP BY ALL`, `* EXCLUDE`, `//`, QUALIFY, functions that one engine has), what gives other rows when run again
(clocks, chance, ranks without an order), what adds money as floats, and what could mix tenants. Joins, common table
expressions, UNION ALL, CASE, aggregates with FILTER, and window functions are allowed, each with the tenant.

Of a list, row by row: ARRAY_LENGTH, a subscript, LIST_TRANSFORM, LIST_FILTER, LIST_MAX and LIST_SUM. The engines differ on
lists that are empty or hold nulls, so what a list is reduced to is written in the one form that means the same on both:
`LIST_MAX(LIST_TRANSFORM(x, LAMBDA i : COALESCE(…)))` and
`COALESCE(LIST_SUM(LIST_TRANSFORM(x, LAMBDA i : CAST(… AS DECIMAL(38, n)))), 0)`.

Used at build only. The pages of the reference show `REFUSALS` and what is said here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, UnsupportedError


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a transform may not say, as people write it; why, and what to write instead."""

    written: str
    sentence: str


_CLOCK = Refusal(
    "now(), current_timestamp, current_date",
    "rows depend on no clock, so that a day built again is the same: compare with a column, such as event_time",
)
_CHANCE = Refusal("random(), uuid()", "rows depend on no chance: order by a column, such as event_id")
_APPROXIMATE = Refusal(
    "approx_count_distinct, approx_quantile",
    "each engine approximates in its own way: COUNT(DISTINCT …), or rank by ROW_NUMBER()",
)
_REFUSED: Mapping[type[exp.Expression], Refusal] = {
    exp.Median: Refusal(
        "median", "median is DuckDB's own: number the rows of a group by ROW_NUMBER(), and take the middle"
    ),
    exp.GroupConcat: Refusal("string_agg", "string_agg does not cross to Athena: keep a row for each text"),
    exp.Qualify: Refusal("QUALIFY", "Athena has no QUALIFY: rank in a subquery, and filter outside by WHERE"),
    exp.IntDiv: Refusal("//", "// divides in DuckDB only: CAST(FLOOR(a / b) AS BIGINT)"),
    exp.Limit: Refusal(
        "LIMIT",
        "which rows a LIMIT keeps is an engine's choice: number them by ROW_NUMBER() in a subquery, and keep the first",
    ),
    exp.Length: Refusal(
        "len, length of any type",
        "Athena has another function for a list: ARRAY_LENGTH. Of a text: LENGTH(CAST(x AS VARCHAR)), its Unicode characters",
    ),
    exp.CurrentTimestamp: _CLOCK,
    exp.CurrentDate: _CLOCK,
    exp.CurrentTime: _CLOCK,
    exp.CurrentDatetime: _CLOCK,
    exp.Localtime: _CLOCK,
    exp.Localtimestamp: _CLOCK,
    exp.Rand: _CHANCE,
    exp.Uuid: _CHANCE,
    exp.AnyValue: Refusal(
        "any_value", "any_value depends on the order of rows: MIN, MAX, or ARG_MAX(x, event_time)"
    ),
    exp.First: Refusal("first", "first depends on the order of rows: ARG_MIN(x, event_time)"),
    exp.Last: Refusal("last", "last depends on the order of rows: ARG_MAX(x, event_time)"),
    exp.ArrayAgg: Refusal("list, array_agg", "a list depends on the order of rows: keep a row for each item"),
    exp.Mode: Refusal(
        "mode", "of equals, mode takes one as it likes: count each value, and rank by count and value"
    ),
    exp.ApproxDistinct: _APPROXIMATE,
    exp.ApproxQuantile: _APPROXIMATE,
    exp.Avg: Refusal("avg", "avg adds floats: the macro mean divides an exact sum"),
    exp.Comprehension: Refusal(
        "[… for x in …]", "list comprehensions are DuckDB's own: LIST_TRANSFORM and LIST_FILTER"
    ),
    exp.Anonymous: Refusal(
        "any other function",
        "a function that is not known on both engines: CASE, arithmetic, or a macro in warehouse/macros",
    ),
    exp.Command: Refusal("anything but a SELECT", "a transform is one SELECT"),
}
_EXCLUDE = Refusal("* EXCLUDE, * REPLACE", "* EXCLUDE is DuckDB's own: name the columns")
_STAR = Refusal(
    "SELECT *",
    "SELECT * does not say which columns there are: name them, in the order of the contract",
)
_COLUMNS = Refusal("COLUMNS(…)", "COLUMNS(…) is DuckDB's own: name the columns")
_GROUP_ALL = Refusal("GROUP BY ALL", "GROUP BY ALL is DuckDB's own: name the columns")
_GROUP_PLACE = Refusal("GROUP BY 1", "GROUP BY names columns, not places: repeat the expression")
_RANK = Refusal(
    "ROW_NUMBER, LAG, LEAD, FIRST_VALUE or LAST_VALUE without ORDER BY",
    "a rank needs an order: ORDER BY in its OVER, such as event_time, event_id",
)
_FLOAT_SUM = Refusal(
    "SUM of a double or a quotient",
    "money is never added as floats: SUM the decimals by the macro total, and divide the sum",
)
_LIST_MAX = Refusal(
    "LIST_MAX of a list with nulls",
    "with a null in the list Athena's is null: LIST_TRANSFORM to COALESCE",
)
_LIST_SUM = Refusal(
    "LIST_SUM of any type", "Athena adds in one type: LIST_TRANSFORM to CAST(… AS DECIMAL(38, n))"
)
_LIST_SUM_NULL = Refusal("LIST_SUM alone", "of no items DuckDB's is null, Athena's 0: COALESCE(…, 0)")
TENANT = "org_id"
_JOIN = Refusal(
    f"a JOIN without {TENANT}",
    f"a join has {TENANT} = {TENANT} in its ON, so that no tenant meets another",
)
_SUBQUERY = Refusal(
    "IN (SELECT …), EXISTS (SELECT …), a SELECT as a column",
    f"a query in a condition or column joins without {TENANT}: JOIN",
)
_WINDOW = Refusal(f"OVER without {TENANT}", f"a window is partitioned by {TENANT}: PARTITION BY {TENANT}, …")
_GROUP = Refusal(f"an aggregate without {TENANT}", f"rows are grouped by {TENANT}: name it in GROUP BY")
REFUSALS = tuple(
    dict.fromkeys(
        (
            *(*_REFUSED.values(), _EXCLUDE, _STAR, _COLUMNS, _GROUP_ALL, _GROUP_PLACE, _RANK, _FLOAT_SUM),
            *(_LIST_MAX, _LIST_SUM, _LIST_SUM_NULL, _JOIN, _SUBQUERY, _WINDOW, _GROUP),
        )
    )
)
_FLOATS = (exp.DataType.Type.DOUBLE, exp.DataType.Type.FLOAT)


def parse(sql: str) -> exp.Query:
    """The one SELECT of a transform.

    Raises:
        ValueError: it is none.
    """
    try:
        (query,) = sqlglot.parse(sql, dialect="duckdb")
    except ParseError as error:
        raise ValueError(f"DuckDB would not read it: {str(error).splitlines()[0]}") from error
    except ValueError as error:
        raise ValueError("a transform is one SELECT, without a semicolon") from error
    if not isinstance(query, exp.Query):
        raise ValueError("a transform is one SELECT")  # noqa: TRY004  what the text says, not its type
    # sqlglot writes LIST_SUM, and does not read it.
    for call in [*query.find_all(exp.Anonymous)]:
        if call.name.upper() == "LIST_SUM" and len(call.expressions) == 1:
            call.replace(exp.ArraySum(this=call.expressions[0]))
    return query


def problems(query: exp.Query) -> list[str]:
    """Everything that a transform's SQL may not say."""
    sentences = [
        _at(node, refusal)
        for node in query.find_all(*_REFUSED)
        if not _of_text(node)
        for kind, refusal in _REFUSED.items()
        if isinstance(node, kind)
    ]
    # DuckDB's now() is none of sqlglot's clocks.
    sentences = [
        f"{one.partition(': ')[0]}: {_CLOCK.sentence}" if one.startswith("NOW()") else one
        for one in sentences
    ]
    # One sentence a fault, however often it stands there.
    judged = (_stars, _groups, _floats, _lists, _tenants)
    return list(dict.fromkeys([*sentences, *(sentence for judge in judged for sentence in judge(query))]))


def _of_text(node: exp.Expression) -> bool:
    """Whether it is the length of what is known to be a text."""
    of = node.this
    return (
        isinstance(node, exp.Length) and isinstance(of, exp.Cast) and of.to.is_type(*exp.DataType.TEXT_TYPES)
    )


def _at(node: exp.Expr, refusal: Refusal) -> str:
    return f"{node.sql('duckdb')[:60]}: {refusal.sentence}"


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
                yield (_EXCLUDE if more else _STAR).sentence
    yield from (_COLUMNS.sentence for _ in query.find_all(exp.Columns))


def _groups(query: exp.Query) -> Iterator[str]:
    for group in query.find_all(exp.Group):
        if group.args.get("all") is not None:
            yield _GROUP_ALL.sentence
        if any(isinstance(one, exp.Literal) for one in group.expressions):
            yield _GROUP_PLACE.sentence
    for window in query.find_all(exp.Window):
        ranks = isinstance(window.this, exp.RowNumber | exp.Lag | exp.Lead | exp.FirstValue | exp.LastValue)
        if ranks and window.args.get("order") is None:
            yield _at(window, _RANK)


def _floats(query: exp.Query) -> Iterator[str]:
    for total in query.find_all(exp.Sum):
        casts = (cast.to.this for cast in total.find_all(exp.Cast))
        if any(kind in _FLOATS for kind in casts) or total.find(exp.Div):
            yield _at(total, _FLOAT_SUM)


def _lists(query: exp.Query) -> Iterator[str]:
    for largest in query.find_all(exp.ArrayMax):
        if not isinstance(_each(largest), exp.Coalesce):
            yield _at(largest, _LIST_MAX)
    for node in query.find_all(exp.ArraySum):
        if _decimal(node) is None:
            yield _at(node, _LIST_SUM)
        around = node.parent
        if not isinstance(around, exp.Coalesce) or [one.name for one in around.expressions] != ["0"]:
            yield _at(node, _LIST_SUM_NULL)


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
    translated = query.copy()
    for bracket in translated.find_all(exp.Bracket):
        bracket.set("safe", True)
    for node in [*translated.find_all(exp.ArraySum)]:
        zero = exp.cast(exp.Literal.number(0), _decimal(node) or exp.DType.DOUBLE)
        total, item = exp.to_identifier("total"), exp.to_identifier("item")
        plus = exp.Add(
            this=total.copy(), expression=exp.Coalesce(this=item.copy(), expressions=[zero.copy()])
        )
        added = exp.Lambda(this=plus, expressions=[total.copy(), item])
        ended = exp.Lambda(this=total.copy(), expressions=[total])
        node.replace(exp.Reduce(this=node.this, initial=zero, merge=added, finish=ended))
    return translated


def _tenants(query: exp.Query) -> Iterator[str]:
    for join in query.find_all(exp.Join):
        if isinstance(join.this, exp.Unnest):
            continue
        using = any(column.name == TENANT for column in join.args.get("using") or ())
        if not using and not any(_joins_tenant(part) for part in _conjuncts(join.args.get("on"))):
            yield _at(join, _JOIN)
    for select in query.find_all(exp.Query):
        inside = select.parent
        while isinstance(inside, exp.Subquery):
            inside = inside.parent
        if not isinstance(inside, exp.From | exp.Join | exp.CTE | exp.SetOperation | None):
            yield _at(select, _SUBQUERY)
    for window in query.find_all(exp.Window):
        if not any(_is_tenant(part) for part in window.args.get("partition_by") or ()):
            yield _at(window, _WINDOW)
    for select in query.find_all(exp.Select):
        group = select.args.get("group")
        sums = any(isinstance(node, exp.AggFunc) for node in _own(select))
        if (group is not None or sums) and not any(_is_tenant(part) for part in group or ()):
            yield _at(select, _GROUP)


def _own(select: exp.Select) -> Iterator[exp.Expression]:
    """What stands in a SELECT's own columns, windows aside: those are not aggregates."""
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
