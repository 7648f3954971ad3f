"""DynamoDB's expressions over rows in memory: conditions, updates, projections, and what they may name.

What the platform uses of them; `stores.py` evaluates every request with these.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, NoReturn

from botocore.exceptions import ClientError

Row = dict[str, dict[str, Any]]
# What `#…` and `:…` stand for in an expression, and what an expression makes of a row with them.
Names = Mapping[str, str]
Values = Mapping[str, Mapping[str, Any]]
Condition = Callable[[Row, Names, Values], bool]
Operand = Callable[[Row, Names, Values], Mapping[str, Any] | None]
_EXPRESSIONS = (
    "ConditionExpression", "KeyConditionExpression", "FilterExpression", "UpdateExpression", "ProjectionExpression",
)  # fmt: skip
_TOKEN = re.compile(r"\s*([(),]|<=|>=|<>|=|<|>|[#:]?\w+(?:\.#?\w+)*)")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda one, other: bool(one == other),
    "<>": lambda one, other: bool(one != other),
    "<": lambda one, other: bool(one < other),
    "<=": lambda one, other: bool(one <= other),
    ">": lambda one, other: bool(one > other),
    ">=": lambda one, other: bool(one >= other),
}


def refuse(code: str, message: str = "", **more: Any) -> NoReturn:
    """Fails as a client of boto3 does."""
    raise ClientError({"Error": {"Code": code, "Message": message}, **more}, "Any")


@lru_cache
def condition(expression: str) -> Condition:
    """A condition, key condition or filter."""
    return _Parser(expression).whole()


@lru_cache
def update(expression: str) -> Callable[[Row, Names, Values], Row]:
    """An update: what a row becomes."""
    _, *parts = re.split(r"\b(SET|REMOVE|ADD|DELETE)\b", expression)
    clauses = [
        (kind, re.split(r",(?![^(]*\))", text)) for kind, text in zip(parts[::2], parts[1::2], strict=True)
    ]
    steps = [_step(kind, one.strip()) for kind, some in clauses for one in some]

    def apply(row: Row, names: Names, values: Values) -> Row:
        new = dict(row)
        for name, change in steps:
            # Every clause reads the row as it was.
            new = _put(new, _path(name, names), change(row, names, values))
        return new

    return apply


def _step(kind: str, text: str) -> tuple[str, Operand]:
    match kind:
        case "SET":
            name, _, value = text.partition("=")
            return name.strip(), _Parser(value).operand()
        case "REMOVE":
            return text, lambda _row, _names, _values: None
        case "ADD":
            name, value = text.split()
            return name, lambda row, names, values: _added(_at(row, _path(name, names)), values[value])
    raise AssertionError(f"no update says {kind} here")


def _path(text: str, names: Names) -> tuple[str, ...]:
    """`consents.#purpose`: an attribute, and what is in it."""
    return tuple(names.get(part, part) for part in text.split("."))


def _at(row: Row, path: tuple[str, ...]) -> Mapping[str, Any] | None:
    found = row.get(path[0])
    for name in path[1:]:
        found = (found or {}).get("M", {}).get(name)
    return found


def _put(row: Row, path: tuple[str, ...], value: Mapping[str, Any] | None) -> Row:
    """A copy with a value at a path; without what is there, if it is None."""
    name, *rest = path
    if rest:
        if "M" not in (row.get(name) or {}):
            refuse("ValidationException", "The document path provided in the update expression is invalid")
        value = {"M": _put(row[name]["M"], tuple(rest), value)}
    if value is None:
        return {one: held for one, held in row.items() if one != name}
    return {**row, name: dict(value)}


def _added(old: Mapping[str, Any] | None, more: Mapping[str, Any]) -> Mapping[str, Any]:
    ((kind, value),) = more.items()
    if kind == "N":
        return {"N": str(int((old or {"N": "0"})["N"]) + int(value))}
    return {kind: list(dict.fromkeys([*(old or {kind: []})[kind], *value]))}


class _Parser:
    """One expression: `or` of `and` of tests."""

    def __init__(self, text: str) -> None:
        self._left = deque(_TOKEN.findall(text))

    def whole(self) -> Condition:
        parsed = self._either()
        if self._left:
            refuse("ValidationException", f"Invalid expression near {self._left[0]}")
        return parsed

    def operand(self) -> Operand:
        token = self._left.popleft()
        if token == "if_not_exists":
            path, other = self._arguments()
            return lambda *given: path(*given) or other(*given)
        if token.startswith(":"):
            return lambda _row, _names, values: values[token]
        return lambda row, names, _values: _at(row, _path(token, names))

    def _either(self) -> Condition:
        tests = [self._both()]
        while self._took("OR"):
            tests.append(self._both())
        return tests[0] if len(tests) == 1 else lambda *given: any(one(*given) for one in tests)

    def _both(self) -> Condition:
        tests = [self._one()]
        while self._took("AND"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda *given: all(one(*given) for one in tests)

    def _one(self) -> Condition:
        if self._took("NOT"):
            refused = self._one()
            return lambda *given: not refused(*given)
        if self._took("("):
            parsed = self._either()
            self._left.popleft()
            return parsed
        if self._left[0] in {"attribute_exists", "attribute_not_exists", "begins_with", "contains"}:
            return self._function(self._left.popleft())
        held = self.operand()
        if self._took("BETWEEN"):
            low = self.operand()
            self._left.popleft()
            high = self.operand()

            def between(*given: Any) -> bool:
                least, most = low(*given), high(*given)
                if not _compared("<=", least, most):
                    refuse("ValidationException", "the upper bound of BETWEEN is below the lower one")
                return _compared("<=", least, held(*given)) and _compared("<=", held(*given), most)

            return between
        sign, other = self._left.popleft(), self.operand()
        return lambda *given: _compared(sign, held(*given), other(*given))

    def _function(self, name: str) -> Condition:
        path, *more = self._arguments()
        match name:
            case "attribute_exists":
                return lambda *given: path(*given) is not None
            case "attribute_not_exists":
                return lambda *given: path(*given) is None
            case "begins_with":
                return lambda *given: plain(path(*given)).startswith(plain(more[0](*given)))
        return lambda *given: _contains(path(*given), more[0](*given))

    def _arguments(self) -> list[Operand]:
        self._left.popleft()
        arguments = [self.operand()]
        while self._took(","):
            arguments.append(self.operand())
        self._left.popleft()
        return arguments

    def _took(self, token: str) -> bool:
        if self._left and self._left[0] == token:
            self._left.popleft()
            return True
        return False


def _compared(sign: str, one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    if one is None or other is None or one.keys() != other.keys():
        return False
    ((kind, held),), ((_, meant),) = one.items(), other.items()
    if kind == "N":
        held, meant = Decimal(held), Decimal(meant)
    elif kind in {"SS", "NS", "BS"}:
        held, meant = frozenset(held), frozenset(meant)
    return _COMPARE[sign](held, meant)


def _contains(held: Mapping[str, Any] | None, part: Mapping[str, Any] | None) -> bool:
    if held is None or part is None:
        return False
    ((kind, value),) = held.items()
    return part in value if kind == "L" else plain(part) in value


def plain(held: Mapping[str, Any] | None) -> Any:
    """The value of an attribute without its type; empty where there is none."""
    return "" if held is None else next(iter(held.values()))


def means(how: Mapping[str, Any]) -> tuple[Names, Values]:
    """What `#…` and `:…` stand for in a request."""
    return how.get("ExpressionAttributeNames", {}), how.get("ExpressionAttributeValues", {})


def checked(how: Mapping[str, Any]) -> None:
    """DynamoDB takes no name and no value that an expression does not use, and none that is not given."""
    names, values = means(how)
    if _aliases(tuple(how.get(one) for one in _EXPRESSIONS)) != {*names, *values}:
        refuse(
            "ValidationException", "Value provided in ExpressionAttributeNames or Values unused or missing"
        )
    for one in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        if one in how and not how[one]:
            refuse("ValidationException", f"{one} must not be empty")


@lru_cache
def _aliases(expressions: tuple[str | None, ...]) -> set[str]:
    return {alias for one in expressions if one for alias in re.findall(r"[#:]\w+", one)}


def projected(row: Row, how: Mapping[str, Any]) -> Row:
    """The row, or those of its attributes that are asked for; the caller's own either way."""
    said = how.get("ProjectionExpression")
    if said is None:
        return dict(row)
    names = how.get("ExpressionAttributeNames", {})
    return {
        name: row[name] for one in said.split(",") if (name := names.get(one.strip(), one.strip())) in row
    }
