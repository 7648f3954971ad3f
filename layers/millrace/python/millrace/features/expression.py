"""The language of filters and derived features: names, numbers, texts, arithmetic, comparisons, a few functions.

`request.amount / user_features.mean_amount_30d`, `is_fraud and amount > 5`. Python's own parser reads it; a closed list of
its forms is allowed, and becomes SQL. A division by zero is null.
"""

import ast
from collections.abc import Callable

from millrace.core.sql import literal

_BINARY: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Eq: "=",
    ast.NotEq: "<>",
}
# Name → arguments at least and at most, and the SQL of them. `hour` and `weekday` take microseconds since 1970, UTC;
# Monday is 1.
FUNCTIONS: dict[str, tuple[int, int, str]] = {
    "coalesce": (2, 8, "coalesce({})"),
    "least": (2, 8, "least({})"),
    "greatest": (2, 8, "greatest({})"),
    "abs": (1, 1, "abs({})"),
    "hour": (1, 1, "hour(make_timestamp({}))"),
    "weekday": (1, 1, "isodow(make_timestamp({}))"),
}
_OF_WHOLE = frozenset({"hour", "weekday"})
# The moment of an entity row, in microseconds since 1970.
MOMENT = "moment"
# `request.amount` is the column `amount` of an entity row.
REQUEST = "request"
Quote = Callable[[str], str]


class ExpressionError(ValueError):
    """The text is not an expression; the message names the part that is not."""


def names(text: str) -> tuple[str, ...]:
    """The names that an expression reads, in order, each once: `amount`, `user_features.order_count`.

    Raises:
        ExpressionError: the text is not an expression.
    """
    read: dict[str, None] = {}

    def note(name: str) -> str:
        read[name] = None
        return name

    sql(text, note)
    return tuple(read)


def sql(text: str, quote: Quote, *, doubles: bool = False) -> str:
    """The expression in DuckDB's SQL.

    Args:
        text: the expression.
        quote: what SQL a name becomes.
        doubles: every number is a double, but those that `hour` and `weekday` take; else each is of its own type.

    Raises:
        ExpressionError: the text is not an expression.
    """
    return _sql(parse(text), quote, doubles)


def parse(text: str) -> ast.expr:
    """The expression as Python's parser reads it; the caller checks which forms it allows.

    Raises:
        ExpressionError: it cannot be read.
    """
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"{text!r} is not an expression") from error


def _sql(node: ast.expr, quote: Quote, doubles: bool) -> str:  # noqa: C901, PLR0912  one case a form of the language
    match node:
        case ast.Constant(value=bool() as value):
            return "TRUE" if value else "FALSE"
        case ast.Constant(value=(int() | float()) as number):
            # Read as a text: DuckDB takes 0.0093… for a decimal, and the double that it makes of that is another in the last digit.
            return _typed(literal(repr(number)), doubles) if doubles else repr(number)
        case ast.Constant(value=str() as words):
            return literal(words)
        case ast.Name(id=name):
            return _typed(quote(name), doubles)
        case ast.Attribute(value=ast.Name(id=view), attr=feature):
            return _typed(quote(f"{view}.{feature}"), doubles)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return f"({_sql(left, quote, doubles)} / nullif({_sql(right, quote, doubles)}, 0))"
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return f"({_sql(left, quote, doubles)} {_BINARY[type(op)]} {_sql(right, quote, doubles)})"
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return f"(-{_sql(operand, quote, doubles)})"
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return f"(NOT {_sql(operand, quote, doubles)})"
        case ast.BoolOp(op=op, values=values):
            word = " AND " if isinstance(op, ast.And) else " OR "
            return "(" + word.join(_sql(value, quote, doubles) for value in values) + ")"
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            return f"({_sql(left, quote, doubles)} {_COMPARE[type(op)]} {_sql(right, quote, doubles)})"
        case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]) if function in FUNCTIONS:
            least, most, template = FUNCTIONS[function]
            if not least <= len(arguments) <= most:
                raise ExpressionError(f"{function} takes {least} to {most} values")
            whole = function in _OF_WHOLE
            return template.format(", ".join(_sql(one, quote, doubles and not whole) for one in arguments))
    raise ExpressionError(f"{ast.unparse(node)!r} is nothing that an expression may hold")


def _typed(value: str, doubles: bool) -> str:
    return f"CAST({value} AS DOUBLE)" if doubles else value
