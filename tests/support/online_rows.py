"""Rows and markers of the online store, as a run would have written them."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import orjson

from millrace.core import clock
from millrace.features import rows
from millrace.features.views import FeatureView

KEPT = timedelta(days=14)
Values = Mapping[str, Any]


def text(view: FeatureView, values: Values, as_of: str, later: Mapping[int, Values] | None = None) -> str:
    """A view's part of a row.

    Args:
        view: the view.
        values: of the features that have one; of a `since` the seconds.
        as_of: the row's moment, UTC text.
        later: microseconds after it → the values that are others from then on.
    """
    features = [one for group in view.groups for one in group.features]
    places = {one.name: place for place, one in enumerate(features)}
    at = clock.epoch_micros(clock.parse(as_of))
    stored = {one.name: rows.empty(one) for one in features} | dict(values)
    for one in features:
        seconds = stored[one.name]
        if one.aggregate == "since" and seconds is not None:
            stored[one.name] = at - round(seconds * 1e6)
    changes = [
        [after, *(part for name, value in changed.items() for part in (places[name], value))]
        for after, changed in sorted((later or {}).items())
    ]
    first = [view.version, [stored[one.name] for one in features]]
    return "\n".join(orjson.dumps(line).decode() for line in (first, *changes))


def row(org: str, key: str, as_of: str, *held: tuple[FeatureView, Values]) -> dict[str, Any]:
    """The row of an entity of which these views have values."""
    (kind,) = {view.entity for view, _ in held}
    views = {view.name: text(view, values, as_of) for view, values in held}
    return rows.item(org, kind, key, views, as_of, clock.epoch(clock.parse(as_of) + KEPT))


def marker(org: str, of: Iterable[FeatureView], **marks: str) -> dict[str, Any]:
    """The marker of an entity with these views."""
    held = list(of)
    digests = orjson.dumps({view.name: view.digest for view in held}).decode()
    named = {name: {"S": value} for name, value in {"views": digests, **marks}.items() if value}
    return {**rows.marker_key(org, held[0].entity), **named}
