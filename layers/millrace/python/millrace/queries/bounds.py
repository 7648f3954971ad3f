"""Which days of a table a statement can read rows of, from its WHERE: a query of a day reads the files of that day.

Only what is certain counts: a comparison of the table's time with a constant, on all rows of a table that the statement names
once. Every row is still judged by the statement itself.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from millrace.core import clock
from millrace.queries.tree import Node, nodes

# A constant without an offset is of whatever zone; a day to either side holds it.
_SLACK = timedelta(days=1)
_BELOW = frozenset({"COMPARE_LESSTHAN", "COMPARE_LESSTHANOREQUALTO"})
_ABOVE = frozenset({"COMPARE_GREATERTHAN", "COMPARE_GREATERTHANOREQUALTO"})
_EQUAL = "COMPARE_EQUAL"
_TURNED = {
    "COMPARE_LESSTHAN": "COMPARE_GREATERTHAN",
    "COMPARE_LESSTHANOREQUALTO": "COMPARE_GREATERTHANOREQUALTO",
    "COMPARE_GREATERTHAN": "COMPARE_LESSTHAN",
    "COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO",
}


@dataclass(frozen=True, slots=True)
class Days:
    """UTC days from the first to the last; None is open."""

    first: date | None = None
    last: date | None = None

    def hold(self, day: str | None) -> bool:
        """Whether a partition's day, `2026-11-21`, is among them; one without a day is."""
        if day is None:
            return True
        return (self.first is None or day >= self.first.isoformat()) and (
            self.last is None or day <= self.last.isoformat()
        )

    def cut(self, first: date | None, last: date | None) -> "Days":
        """Those that are among others, too."""
        firsts = [one for one in (self.first, first) if one is not None]
        lasts = [one for one in (self.last, last) if one is not None]
        return Days(max(firsts, default=None), min(lasts, default=None))


def bounds(root: Node, times: Mapping[str, str]) -> dict[str, Days]:
    """Table → the days that its rows can be of, where the statement says so.

    Args:
        root: the tree of a statement.
        times: `schema.name` → the column that its partitions' days are of.
    """
    named = Counter(_name(node) for node in nodes(root) if node.get("type") == "BASE_TABLE")
    found: dict[str, Days] = {}
    for node in nodes(root):
        if node.get("type") != "SELECT_NODE" or not node.get("where_clause"):
            continue
        sources = list(_sources(node.get("from_table") or {}))
        for source in sources:
            name = _name(source)
            if named[name] != 1 or name not in times or source.get("column_name_alias"):
                continue
            days = Days()
            for condition in _conditions(node["where_clause"]):
                days = days.cut(*_days(condition, source, times[name], alone=len(sources) == 1))
            if days != Days():
                found[name] = days
    return found


def _name(node: Node) -> str:
    return f"{node.get('schema_name') or ''}.{node.get('table_name')}".lower()


def _sources(source: Node) -> Iterator[Node]:
    """Relations of FROM whose rows all have to pass WHERE."""
    if source.get("type") == "JOIN":
        if source.get("join_type") == "INNER" and source.get("ref_type") in {"REGULAR", "CROSS"}:
            yield from _sources(source["left"])
            yield from _sources(source["right"])
    elif source.get("type") == "BASE_TABLE":
        yield source


def _conditions(node: Node) -> Iterator[Node]:
    if node.get("class") == "CONJUNCTION" and node.get("type") == "CONJUNCTION_AND":
        for child in node["children"]:
            yield from _conditions(child)
    else:
        yield node


def _days(condition: Node, source: Node, time: str, *, alone: bool) -> tuple[date | None, date | None]:
    """The first and the last day of a condition on the time of a source."""
    if condition.get("class") == "BETWEEN":
        if not _is_time(condition["input"], source, time, alone=alone):
            return None, None
        low, high = _moment(condition["lower"]), _moment(condition["upper"])
        return _first(low), _last(high)
    if condition.get("class") != "COMPARISON":
        return None, None
    kind, left, right = condition["type"], condition["left"], condition["right"]
    if not _is_time(left, source, time, alone=alone):
        kind, left, right = _TURNED.get(kind, kind), right, left
    if not _is_time(left, source, time, alone=alone):
        return None, None
    moment = _moment(right)
    return (
        _first(moment) if kind in _ABOVE or kind == _EQUAL else None,
        _last(moment) if kind in _BELOW or kind == _EQUAL else None,
    )


def _is_time(node: Node, source: Node, time: str, *, alone: bool) -> bool:
    if node.get("class") != "COLUMN_REF":
        return False
    *qualifiers, name = (str(part).lower() for part in node["column_names"])
    called = str(source.get("alias") or source["table_name"]).lower()
    return name == time and (qualifiers == [called] or (alone and not qualifiers))


def _moment(node: Node) -> datetime | None:
    while node.get("class") == "CAST":
        node = node["child"]
    value: Any = node.get("value") if node.get("class") == "CONSTANT" else None
    text = value.get("value") if isinstance(value, dict) else None
    if not isinstance(text, str):
        return None
    try:
        return clock.as_utc(datetime.fromisoformat(text))
    except ValueError:
        return None


def _first(moment: datetime | None) -> date | None:
    return None if moment is None else _shifted(moment, -_SLACK)


def _last(moment: datetime | None) -> date | None:
    return None if moment is None else _shifted(moment, _SLACK)


def _shifted(moment: datetime, by: timedelta) -> date | None:
    try:
        return clock.utc_day(moment + by)
    except (OverflowError, ValueError):
        return None
