"""Conditions put together, with what the type of an event decides already worked out. Build only."""

from collections.abc import Iterable, Sequence

from millrace.contracts.conditions import Condition

# A condition, or its verdict where the type of an event decides it.
Compiled = Condition | bool


def all_of(parts: Iterable[Compiled]) -> Compiled:
    """Where each of them holds."""
    found = [*parts]
    if False in found:
        return False
    return _group("all", [one for one in found if not isinstance(one, bool)], empty=True)


def any_of(parts: Iterable[Compiled]) -> Compiled:
    """Where one of them holds."""
    found = [*parts]
    if True in found:
        return True
    return _group("any", _hours_joined([one for one in found if not isinstance(one, bool)]), empty=False)


def _group(word: str, parts: Sequence[Condition], *, empty: bool) -> Compiled:
    if not parts:
        return empty
    if len(parts) == 1:
        return parts[0]
    # A group in one of its own kind is one group.
    return {word: [inner for one in parts for inner in one.get(word, [one])]}


def _hours_joined(parts: Sequence[Condition]) -> Sequence[Condition]:
    """A list of hours, which Sigma has one by one, as one condition."""
    fields = {one.get("field") for one in parts}
    if len(parts) > 1 and len(fields) == 1 and all("hour" in one for one in parts):
        return [{"field": fields.pop(), "hour": sorted({hour for one in parts for hour in one["hour"]})}]
    return parts


def negated(inner: Compiled) -> Compiled:
    """Where it does not hold."""
    if isinstance(inner, bool):
        return not inner
    if set(inner) == {"not"} and len(inner["not"]) == 1:
        only: Condition = inner["not"][0]
        return only
    return {"not": [*inner["all"]] if "all" in inner else [inner]}
