"""What is wrong with what an aggregate derives: it takes measures, and what was derived before, each of the type that its role has."""

from collections.abc import Callable, Collection, Iterator, Mapping

from millrace.aggregates import derived
from millrace.compiler.aggregate_definition import AggregateDefinition, DerivedDefinition, MeasureDefinition
from millrace.compiler.sentences import meant

# How a measure is shown, and what that is in words. Of what only some values may be, there is the column's type.
_WORDS = {
    "exact": "a whole number or a decimal",
    "number": "a number",
    "moment": "a moment",
    "other": "no single number or moment",
}
_KINDS = {
    **dict.fromkeys(("count", "sum", "distinct"), "exact"),
    **dict.fromkeys(("mean", "share"), "number"),
    **dict.fromkeys(("top", "distribution", "funnel"), "other"),
}
_TYPES = {**dict.fromkeys(("int", "long", "decimal"), "exact"), "double": "number", "timestamptz": "moment"}


def problems(
    one: AggregateDefinition, types: Callable[[MeasureDefinition], Collection[str]]
) -> Iterator[tuple[str, str]]:
    """A pointer and a sentence each; `types` gives the types of the columns that a measure is of."""
    known = {measure.name: _shown(measure, types) for measure in one.measures}
    for at, part in enumerate(one.derived):
        given, wanted = part.roles(), derived.ROLES[part.derive]
        for role in sorted(given.keys() ^ set(wanted)):
            what = "needs" if role in wanted else "has no"
            yield f"/derived/{at}", f"{part.derive} {what} {role}: it takes {', '.join(wanted)}"
        for role, name in given.items():
            sentence = _unfit(part, role, name, known)
            if sentence:
                yield f"/derived/{at}/{role}", sentence
        known[part.name] = "moment" if part.derive in derived.OF_MOMENTS else "exact"


def _unfit(part: DerivedDefinition, role: str, name: str, known: Mapping[str, str]) -> str:
    if name not in known:
        return f"there is no measure {name} before it{meant(name, known, listed=True)}"
    fit = ("exact",) if part.derive == "difference" else ("exact", "number")
    fit = ("moment",) if role in derived.MOMENTS else fit
    if known[name] in fit:
        return ""
    return f"{name} is {_WORDS[known[name]]}, and {role} of a {part.derive} is {_WORDS[fit[-1]]}"


def _shown(measure: MeasureDefinition, types: Callable[[MeasureDefinition], Collection[str]]) -> str:
    if measure.measure in _KINDS:
        return _KINDS[measure.measure]
    found = {_TYPES.get(one, "other") for one in types(measure)}
    return found.pop() if len(found) == 1 else "other"
