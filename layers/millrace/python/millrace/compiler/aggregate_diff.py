"""Whether a change of aggregates breaks those who read them. Pure: two sets of documents in, reasons out.

What an aggregate counts may change with a new version: its past is counted anew. What its answers are made of may not go: a
metric, a key, a measure; nor may rows split by a further key, nor a measure become one of another kind.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from millrace.compiler.diff import Breaking


def gate_aggregates(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Breaking]:
    """Everything that forbids going from one set of aggregates to the other.

    Args:
        before: file → its document, which compiled.
        after: the same of the change.
    """
    for file, old in before.items():
        name, new = f"aggregates.{old['name']}", after.get(file)
        if new is None:
            yield Breaking(name, "", "removed", "a metric that is read is gone")
        elif old != new:
            yield from _changed(name, old, new)


def _changed(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Breaking]:
    before, after = old.get("keys", {}), new.get("keys", {})
    for key in before:
        if key not in after:
            yield Breaking(name, f"/keys/{key}", "removed", "a key that is asked by is gone")
    for key in after:
        if key not in before:
            reason = "rows that are read as one are split by it"
            yield Breaking(name, f"/keys/{key}", "redefined", reason)
    measures = {one["name"]: one for one in _answered(new)}
    for one in _answered(old):
        pointer = f"/measures/{one['name']}"
        if one["name"] not in measures:
            yield Breaking(name, pointer, "removed", "a measure that is read is gone")
        elif (kind := measures[one["name"]]["measure"]) != one["measure"]:
            reason = f"it was a {one['measure']} and is a {kind}"
            yield Breaking(name, pointer, "retyped", reason)
        elif one.get("steps") != measures[one["name"]].get("steps"):
            yield Breaking(name, pointer, "redefined", "its steps are others, in order or in kind")


def _answered(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Measures, and what is derived of them."""
    yield from document["measures"]
    yield from ({"name": one["name"], "measure": one["derive"]} for one in document.get("derived", ()))
