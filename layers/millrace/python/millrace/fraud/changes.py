"""What differs between two sets of fraud rules, one sentence a change. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The changes from one compiled set of rules to another, in the order of the rules."""
    return [
        *_factors(before["factors"], after["factors"]),
        *_classes(before["classes"], after["classes"]),
        *_members("countries of high risk", before["countries"], after["countries"]),
    ]


def _factors(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*before, *after]):
        if name not in after:
            yield f"{name}: removed"
        elif name not in before:
            yield f"{name}: added, {', '.join(f'{key} {_written(value)}' for key, value in after[name].items())}"
        else:
            yield from _settings(name, before[name], after[name])


def _settings(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        if isinstance(old, list) and isinstance(new, list):
            yield from _members(f"{name}: {key}", old, new)
        elif old != new:
            yield f"{name}: {key} {_written(old)} → {_written(new)}"


def _classes(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    old, new = ({one["class"]: one["from"] for one in classes} for classes in (before, after))
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            yield f"class {name}: from {_written(old.get(name))} → {_written(new.get(name))}"


def _members(what: str, before: Iterable[Any], after: Iterable[Any]) -> Iterator[str]:
    gone, new = sorted(set(before) - set(after)), sorted(set(after) - set(before))
    if new:
        yield f"{what}: added {', '.join(map(str, new))}"
    if gone:
        yield f"{what}: removed {', '.join(map(str, gone))}"


def _written(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float | int) and not isinstance(value, bool):
        return f"{value:,.10g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
