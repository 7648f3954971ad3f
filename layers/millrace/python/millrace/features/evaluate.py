"""Derived features twice from one expression: as SQL for the past, as a Python function for the present.

Every value is a double, with None for null: features, the request's columns, numbers in the text, the moment. Only the
arguments of `hour` and `weekday` are whole: the moment, with whole numbers added or subtracted. An input that is not finite
is null, so that no input is NaN. Within an expression, as in DuckDB, NaN equals itself and is greater than all else, `least`
and `greatest` skip nulls, and a division by zero is null. A result that is not finite is null, and for a null the feature has
its default.
"""

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Literal

from millrace.features import expression
from millrace.features.expression import ExpressionError
from millrace.features.views import Derived, FeatureView

Number = float | int | None
# (features by view and name, the request's columns, the moment in microseconds since 1970) → the view's features in order.
Compiled = Callable[[Mapping[str, Mapping[str, Number]], Mapping[str, Number], int], list[float | None]]
_Kind = Literal["number", "boolean"]
_ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
_WHOLE: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-"}
# Of two that are not null, of which one may be NaN.
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Gt: "({0} > {1} or ({0} != {0} and {1} == {1}))",
    ast.GtE: "({0} >= {1} or {0} != {0})",
    ast.Lt: "({0} < {1} or ({1} != {1} and {0} == {0}))",
    ast.LtE: "({0} <= {1} or {1} != {1})",
    ast.Eq: "({0} == {1} or ({0} != {0} and {1} != {1}))",
    ast.NotEq: "({0} != {1} and ({0} == {0} or {1} == {1}))",
}
# Of microseconds since 1970, which was a Thursday; Monday is 1.
_CLOCK = {"hour": "{} // 3600000000 % 24.0", "weekday": "({} // 86400000000 + 3) % 7 + 1.0"}
_MOST_WHOLE = 2**53


def sql(derived: Derived, quote: expression.Quote) -> str:
    """A derived feature in DuckDB's SQL, its default included.

    Args:
        derived: the feature.
        quote: what SQL a name becomes.
    """
    value = expression.sql(derived.expression, lambda name: _finite(name, quote), doubles=True)
    value = f"CAST({value} AS DOUBLE)"
    value = f"CASE WHEN isfinite({value}) THEN {value} END"
    return (
        value
        if derived.default is None
        else f"coalesce({value}, CAST('{float(derived.default)!r}' AS DOUBLE))"
    )


def _finite(name: str, quote: expression.Quote) -> str:
    """The value that a name reads, in SQL; only the moment is never null."""
    if name == expression.MOMENT:
        return quote(name)
    return f"CASE WHEN isfinite(CAST({quote(name)} AS DOUBLE)) THEN {quote(name)} END"


def check(text: str) -> None:
    """Checks that a derived feature may have this expression.

    Raises:
        ExpressionError: it may not.
    """
    _Writer().result(Derived("checked", text, None, ""))


@lru_cache(maxsize=256)
def compile_view(view: FeatureView) -> Compiled:
    """The derived features of a view as one function: `features(values, request, moment_us)`, in the order of the view.

    `values` has the features that the view reads, by view; a missing one is a KeyError. A missing column of the request is
    null.

    Raises:
        ExpressionError: a text is not an expression of a number.
    """
    writer = _Writer()
    results = [writer.result(derived) for derived in view.derived]
    lines = [*writer.lines, f"return [{', '.join(results)}]"]
    body = "def features(values, request, moment):\n" + "".join(f"    {line}\n" for line in lines)
    space: dict[str, Compiled] = {}
    # The code is generated here from a closed list of forms; names occur in it only as quoted texts.
    exec(compile(body, f"<{view.name}>", "exec"), {"isfinite": math.isfinite}, space)  # noqa: S102
    return space["features"]


class _Writer:
    """Writes expressions as lines of Python, each of which sets one name to one value."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._known: dict[str, str] = {}

    def result(self, derived: Derived) -> str:
        """The name that holds the feature after the lines."""
        value, kind = self._python(expression.parse(derived.expression))
        default = "None" if derived.default is None else repr(float(derived.default))
        number = f"float({value})" if kind == "boolean" else f"{value} + 0.0"
        return self._set(f"{default} if {value} is None or not isfinite({value}) else {number}")

    def _set(self, value: str) -> str:
        name = self._known.get(value)
        if name is None:
            name = self._known[value] = f"v{len(self._known)}"
            self.lines.append(f"{name} = {value}")
        return name

    def _python(self, node: ast.expr) -> tuple[str, _Kind]:
        match node:
            case ast.Constant(value=bool() as truth):
                return self._set(str(truth)), "boolean"
            case ast.Constant(value=(int() | float()) as number):
                return self._set(repr(_checked(number))), "number"
            case ast.Name(id=expression.MOMENT):
                return self._set(_read(node)), "number"
            case ast.Name() | ast.Attribute():
                read = self._set(_read(node))
                return self._set(f"None if {read} is None or not isfinite({read}) else {read}"), "number"
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                one, other = self._numbers(left, right)
                return self._set(f"None if {one} is None or not {other} else {one} / {other}"), "number"
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                one, other = self._numbers(left, right)
                value = f"{one} {_ARITHMETIC[type(op)]} {other}"
                return self._set(f"None if {one} is None or {other} is None else {value}"), "number"
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                (one,) = self._numbers(operand)
                return self._set(f"None if {one} is None else -{one}"), "number"
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                (one,) = self._booleans(operand)
                return self._set(f"None if {one} is None else not {one}"), "boolean"
            case ast.BoolOp(op=op, values=values):
                operands = self._booleans(*values)
                decides = isinstance(op, ast.Or)
                some = " or ".join(f"{one} is {decides}" for one in operands)
                none = " or ".join(f"{one} is None" for one in operands)
                return self._set(f"{decides} if {some} else None if {none} else {not decides}"), "boolean"
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
                (one, other), _ = self._alike(left, right)
                value = _COMPARE[type(op)].format(one, other)
                return self._set(f"None if {one} is None or {other} is None else {value}"), "boolean"
            case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]):
                return self._call(function, arguments)
        raise _nothing(node)

    def _call(self, function: str, arguments: Sequence[ast.expr]) -> tuple[str, _Kind]:
        if function in _CLOCK and len(arguments) == 1:
            return self._set(_CLOCK[function].format(_whole(arguments[0]))), "number"
        if function == "abs" and len(arguments) == 1:
            (one,) = self._numbers(*arguments)
            return self._set(f"None if {one} is None else abs({one})"), "number"
        if function in ("coalesce", "least", "greatest") and len(arguments) > 1:
            operands, kind = self._alike(*arguments)
            result = operands[0]
            for other in operands[1:]:
                takes = f"{result} is None"
                if function != "coalesce":
                    operator = ast.Lt if function == "least" else ast.Gt
                    takes += f" or {other} is not None and {_COMPARE[operator].format(other, result)}"
                result = self._set(f"{other} if {takes} else {result}")
            return result, kind
        raise ExpressionError(f"{function} is not a function of a derived feature, or takes other values")

    def _numbers(self, *nodes: ast.expr) -> list[str]:
        return self._of("number", nodes)

    def _booleans(self, *nodes: ast.expr) -> list[str]:
        return self._of("boolean", nodes)

    def _of(self, wanted: _Kind, nodes: Sequence[ast.expr]) -> list[str]:
        typed = [self._python(node) for node in nodes]
        for node, (_, kind) in zip(nodes, typed, strict=True):
            if kind != wanted:
                raise ExpressionError(f"{ast.unparse(node)} is a {kind}, and a {wanted} is needed")
        return [name for name, _ in typed]

    def _alike(self, *nodes: ast.expr) -> tuple[list[str], _Kind]:
        """The names of the values, which are of one kind, and the kind."""
        kind = self._python(nodes[0])[1]
        return self._of(kind, nodes), kind


def _checked(number: float) -> float:
    if not math.isfinite(number) or abs(number) > _MOST_WHOLE:
        raise ExpressionError(f"{number!r} is not a number that a double holds to the last digit")
    return float(number)


def _read(node: ast.expr) -> str:
    match node:
        case ast.Name(id=expression.MOMENT):
            return "moment"
        case ast.Attribute(value=ast.Name(id=expression.REQUEST), attr=column):
            return f"request.get({column!r})"
        case ast.Attribute(value=ast.Name(id=view), attr=feature):
            return f"values[{view!r}][{feature!r}]"
    raise _nothing(node)


def _whole(node: ast.expr) -> str:
    match node:
        case ast.Name(id=expression.MOMENT):
            return "moment"
        case ast.Constant(value=int() as number) if not isinstance(number, bool):
            return str(int(_checked(number)))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _WHOLE:
            return f"({_whole(left)} {_WHOLE[type(op)]} {_whole(right)})"
    raise ExpressionError(f"{ast.unparse(node)} is not the moment, nor so long before or after it")


def _nothing(node: ast.expr) -> ExpressionError:
    return ExpressionError(f"{ast.unparse(node)!r} is not allowed in a derived feature")
