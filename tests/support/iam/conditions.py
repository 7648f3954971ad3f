"""Condition blocks of IAM: operators over the keys of a request.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
"""

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

Context = Mapping[str, str | Sequence[str]]
"""Keys in lower case; a key with several values has them as a list."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_LITERALS = {"*": "[*]", "?": "[?]", "$": "$"}


class UnknownVariableError(Exception):
    """A policy variable whose key the request does not have: whatever names it does not match."""


def expand(text: str, context: Context) -> str:
    """A value of a policy with its variables filled in; their wildcards match themselves only.

    Raises:
        UnknownVariableError: the request has no such key, and the variable has no default.
    """

    def value(match: re.Match[str]) -> str:
        name, _, default = (part.strip() for part in match[1].partition(","))
        if name in _LITERALS:
            return _LITERALS[name]
        known = context.get(name.lower(), default.strip("'") or None)
        if not isinstance(known, str):
            raise UnknownVariableError(name)
        return re.sub(r"([*?])", r"[\1]", known)

    # A bracket of the policy itself is a bracket: only the two wildcards are special.
    return _VARIABLE.sub(value, text.replace("[", "[[]"))


def like(value: str, pattern: str) -> bool:
    """Whether an expanded pattern matches all of a value; case counts."""
    return fnmatchcase(value, pattern)


def arn_like(value: str, pattern: str) -> bool:
    """The same by the parts of an ARN: a wildcard reaches over a colon only in the last of the six."""
    if pattern == "*":
        return True
    parts, wanted = value.split(":", 5), pattern.split(":", 5)
    return len(parts) == len(wanted) and all(map(like, parts, wanted))


def _plain(pattern: str) -> str:
    return re.sub(r"\[([*?[])\]", r"\1", pattern)


def _number(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    return lambda value, pattern: compare(float(value), float(pattern))


# Of each pair the second is the negation of the first.
_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda value, pattern: value == _plain(pattern),
    "StringEqualsIgnoreCase": lambda value, pattern: value.lower() == _plain(pattern).lower(),
    "StringLike": like,
    "ArnEquals": arn_like,
    "ArnLike": arn_like,
    "Bool": lambda value, pattern: value.lower() == pattern.lower(),
    "NumericEquals": _number(lambda a, b: a == b),
    "NumericLessThan": _number(lambda a, b: a < b),
    "NumericLessThanEquals": _number(lambda a, b: a <= b),
    "NumericGreaterThan": _number(lambda a, b: a > b),
    "NumericGreaterThanEquals": _number(lambda a, b: a >= b),
}
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
}


def hold(block: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Whether every operator of a condition block holds for every one of its keys.

    Raises:
        ValueError: an operator that is not known here, or a key with several values under a plain operator.
    """
    return all(
        _holds(operator, key.lower(), _texts(values), context)
        for operator, keys in block.items()
        for key, values in keys.items()
    )


def _texts(values: Any) -> list[str]:
    several = values if isinstance(values, list) else [values]
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in several]


def _holds(operator: str, key: str, values: list[str], context: Context) -> bool:
    given = context.get(key)
    if operator == "Null":
        return (given is None) == (values == ["true"])
    scope, _, name = operator.rpartition(":")
    if_exists, name = name.endswith("IfExists"), name.removesuffix("IfExists")
    negated, name = name in _NEGATED, _NEGATED.get(name, name)
    if name not in _OPERATORS or scope not in ("", "ForAnyValue", "ForAllValues"):
        raise ValueError(f"the operator {operator} is not known to tests/support/iam/conditions.py")
    if given is None:
        return if_exists or (negated and scope != "ForAnyValue") or scope == "ForAllValues"
    if not scope and not isinstance(given, str):
        raise ValueError(f"{key} has several values, so {operator} needs ForAnyValue or ForAllValues")
    try:
        patterns = [expand(value, context) for value in values]
    except UnknownVariableError:
        return False
    matches = _OPERATORS[name]
    each = [given] if isinstance(given, str) else given
    results = [any(matches(one, pattern) for pattern in patterns) != negated for one in each]
    return all(results) if scope == "ForAllValues" else any(results)
