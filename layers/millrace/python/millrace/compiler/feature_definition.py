"""A feature view as its author writes it in `schemas/features/*.yaml`, and its meaning written out in full."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from millrace.contracts.columns import NUMBERS

_NAME = r"^[a-z][a-z0-9_]{0,62}$"
_SPAN = re.compile(r"([1-9][0-9]{0,4})([smhd])")
_MICROSECONDS = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
ALL = "all"
# Other rows of the online store have these names in the place of an entity's.
_RESERVED = ("definition", "fraud", "views")
Span = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}[smhd]$")]
Window = Annotated[str, Field(pattern=r"^([1-9][0-9]{0,4}[smhd]|all)$")]
Name = Annotated[str, Field(pattern=_NAME)]
Text = Annotated[str, Field(min_length=1, max_length=500)]
# What texts of these names look like.
MEANINGS = {
    "version": "a version is major.minor.patch, such as 1.2.0",
    "window": "a window is a whole number of s, m, h or d, such as 10m or 7d; or all",
    "windows": "a window is a whole number of s, m, h or d, such as 10m or 7d; or all",
    "offset": "a span is a whole number of s, m, h or d, such as 10m or 7d",
    "delay": "a span is a whole number of s, m, h or d, such as 10m or 7d",
    "ttl": "a span is a whole number of s, m, h or d, such as 10m or 7d",
    "table": "a table is <layer>.<name>, the layer one of silver, gold, marts, ml_features",
    **dict.fromkeys(
        ("name", "column", "key", "timestamp", "newest_by", "request"), "a name is in snake case"
    ),
}
_NEEDS_NUMBER = ("sum", "mean", "min", "max", "stddev")
_WITHOUT_COLUMN = ("count", "since")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FeatureDefinition(_Strict):
    """An aggregate; `windows` makes one feature of each, named `<name>_<window>`."""

    name: Name
    aggregate: Literal["count", "sum", "mean", "share", "min", "max", "stddev", "latest", "since"]
    column: Name | None = None
    window: Window | None = None
    windows: list[Window] = []
    offset: Span | None = None
    default: float | int | str | None = None
    description: Text


class GroupDefinition(_Strict):
    """Features of one source."""

    table: Annotated[str, Field(pattern=r"^(silver|gold|marts|ml_features)\.[a-z][a-z0-9_]*$")]
    key: Name
    timestamp: Name
    newest_by: list[Name] = []
    delay: Span | None = None
    filter: Text | None = None
    features: list[FeatureDefinition] = Field(min_length=1)


class EntityDefinition(_Strict):
    """What the rows are about."""

    name: Name
    key: Name


class DerivedDefinition(_Strict):
    """A number from features of other views and the request."""

    name: Name
    expression: Text
    default: float | int | None = None
    description: Text


class ViewDefinition(_Strict):
    """A file."""

    name: Name
    version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    description: Text
    owner: Text
    ttl: Span = "1d"
    online: bool = False
    entity: EntityDefinition | None = None
    sources: list[GroupDefinition] = []
    request: list[Name] = []
    derived: list[DerivedDefinition] = []


def microseconds(span: str) -> int:
    """`7d` in microseconds.

    Raises:
        ValueError: it is not a span.
    """
    match = _SPAN.fullmatch(span)
    if match is None:
        raise ValueError(f"{span!r} is not a span of time")
    return int(match[1]) * _MICROSECONDS[match[2]]


def written_out(view: ViewDefinition) -> dict[str, Any]:
    """What decides a view's values, and nothing else: its digest is of this."""
    return {
        "name": view.name,
        "entity": view.entity.name if view.entity else "",
        "key": view.entity.key if view.entity else "",
        "groups": [
            {
                "table": group.table,
                "key": group.key,
                "timestamp": group.timestamp,
                "newest_by": list(group.newest_by),
                "delay_us": microseconds(group.delay) if group.delay else 0,
                "filter": group.filter,
                "features": [part for feature in group.features for part in expanded(feature)],
            }
            for group in view.sources
        ],
        "request": list(view.request),
        "derived": [
            {
                "name": one.name,
                "expression": one.expression,
                "default": None if one.default is None else float(one.default),
            }
            for one in view.derived
        ],
    }


def expanded(feature: FeatureDefinition) -> Iterator[dict[str, Any]]:
    """A feature for each of its windows."""
    named = [(feature.name, feature.window or ALL)]
    if feature.windows:
        named = [(f"{feature.name}_{window}", window) for window in feature.windows]
    counts = feature.aggregate == "count"
    for name, window in named:
        yield {
            "name": name,
            "aggregate": feature.aggregate,
            "column": feature.column,
            "window_us": None if window == ALL else microseconds(window),
            "offset_us": microseconds(feature.offset) if feature.offset else 0,
            "default": 0 if counts and feature.default is None else feature.default,
            "kind": "long" if counts else "double",
        }


def problems(view: ViewDefinition) -> Iterator[tuple[str, str]]:
    """What is wrong with a view whatever its sources are: a pointer and a sentence each."""
    if bool(view.sources) == bool(view.derived):
        yield "", "a view has either sources or derived features"
    if view.sources and view.entity is None:
        yield "/entity", "features of sources are of an entity"
    if view.derived and view.entity is not None:
        yield "/entity", "derived features are of the request, not of an entity"
    for index, group in enumerate(view.sources):
        for place, feature in enumerate(group.features):
            yield from (
                (f"/sources/{index}/features/{place}{pointer}", sentence)
                for pointer, sentence in _feature_problems(feature)
            )
    if view.entity is not None and view.entity.name in _RESERVED:
        yield "/entity/name", f"{view.entity.name} is not a name for an entity"
    document = written_out(view)
    names = [one["name"] for group in document["groups"] for one in group["features"]]
    names += [one["name"] for one in document["derived"]]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield "", f"{name} stands here twice"


def _feature_problems(feature: FeatureDefinition) -> Iterator[tuple[str, str]]:
    alone = feature.aggregate in _WITHOUT_COLUMN
    if alone and feature.column is not None:
        yield "/column", f"{feature.aggregate} takes no column"
    if not alone and feature.column is None:
        yield "/column", f"{feature.aggregate} needs a column"
    if feature.window and feature.windows:
        yield "/windows", "either one window or many"
    if feature.aggregate == "latest" and feature.offset:
        yield "/offset", "the newest value has no offset"
    if isinstance(feature.default, str) and feature.aggregate != "latest":
        yield "/default", "a text can stand for no number"


def column_problem(feature: FeatureDefinition, kind: str) -> str | None:
    """Why an aggregate cannot be made of a column of this type, in a sentence."""
    if feature.aggregate in _NEEDS_NUMBER and kind not in NUMBERS:
        return f"{feature.aggregate} needs a number, and {feature.column} is {kind}"
    if feature.aggregate == "share" and kind != "boolean":
        return f"share needs a boolean, and {feature.column} is {kind}"
    if feature.aggregate == "latest" and kind not in (*NUMBERS, "string"):
        return f"latest needs a number or a text, and {feature.column} is {kind}"
    return None
