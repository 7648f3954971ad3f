"""Rows of the online store, as they are stored and as they are read. No I/O.

`org#<view>#<entity>` / `LATEST` holds the values of an entity, counted at `asOf`; a row without `values` marks an entity that
has none any more. `org#views#<view>` / `LATEST` is the view's marker: up to when all of its rows are complete. A row that did
not change is not written anew, so it holds until the marker's `asOf`; a row older than the marker's `wholeAt`, when every row
was written, is left over and does not count.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import orjson

from millrace.core import clock, keys
from millrace.core.table import Item
from millrace.features.views import FeatureError, FeatureView

LATEST = "LATEST"
MARKERS, DEFINITIONS = "views", "definition"
# A partition key of DynamoDB has at most 2,048 bytes; a longer one is replaced by its hash.
MOST_KEY_BYTES = 1_536
_LONE = re.compile("[\ud800-\udfff]")
Value = float | int | str | None
Status = Literal["ok", "missing", "expired"]
Key = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Marker:
    """Up to when a view is complete for a tenant.

    Attributes:
        as_of: UTC text; None before the first time.
        whole_at: `as_of` of when every row was written; older rows do not count.
        version: of the view that its rows are of.
        digest: of that view's definition.
        snapshot: the object of the lake that holds the rows as they were at `as_of`.
        run: the run that is writing now; None if none is.
        started_at: since when; a run that died leaves it behind.
        writing: the moment as of which it writes.
    """

    as_of: str | None
    whole_at: str | None
    version: str | None
    digest: str | None
    snapshot: str | None
    run: str | None
    started_at: str | None
    writing: str | None = None


@dataclass(frozen=True, slots=True)
class OnlineRow:
    """The values of an entity: every feature of its view, unknown ones as their defaults.

    `as_of` is the moment (UTC text) that the values are of; None where there is none.
    """

    values: Mapping[str, Value]
    status: Status
    as_of: str | None


def entity_text(value: object) -> str | None:
    """An entity's key as text: `42` for 42 and 42.0, a text as it is; None for None, NaN and infinity, which are no key.

    Raises:
        FeatureError: it is neither a number nor a text.
    """
    match value:
        case None:
            return None
        case str() if not _LONE.search(value):
            return value
        case bool():
            pass
        case int():
            return str(value)
        case float() | Decimal():
            if not math.isfinite(value):
                return None
            return str(int(value)) if value == int(value) else str(value)
    raise FeatureError(f"{value!r:.100} is no key of an entity: a key is a text or a number")


def row_key(org: str, view: str, entity: str) -> Key:
    """The key of an entity's row, as the low-level client takes it."""
    name = keys.join(org, view, entity)
    if len(name.encode()) > MOST_KEY_BYTES:
        hashed = hashlib.sha256(entity.encode()).hexdigest()
        # In a key a client's text has no `#`: it is escaped.
        name = f"{keys.join(org, view)}{keys.SEPARATOR}{keys.SEPARATOR}{hashed}"
    return {"featureKey": {"S": name}, "sortKey": {"S": LATEST}}


def marker_key(org: str, view: str) -> Key:
    """The key of a view's marker."""
    return {"featureKey": {"S": keys.join(org, MARKERS, view)}, "sortKey": {"S": LATEST}}


def row_keys(org: str, views: Iterable[FeatureView], entity: Mapping[str, object]) -> list[Key | None]:
    """The key of the entity's row in each of these views, in order; None where the entity has no key.

    Args:
        org: the tenant.
        views: views of entities.
        entity: what each view's `key` is, such as `{"user_id": 42, "merchant": "Nile"}`.

    Raises:
        FeatureError: a key is missing or invalid.
    """
    wanted: list[Key | None] = []
    for view in views:
        if view.key not in entity:
            raise FeatureError(f"{view.name} is of a {view.entity}, and there is no {view.key}")
        text = entity_text(entity[view.key])
        wanted.append(None if text is None else row_key(org, view.name, text))
    return wanted


def defaults(view: FeatureView) -> dict[str, Value]:
    """The values of an entity without a row."""
    return {feature.name: feature.default for group in view.groups for feature in group.features}


def since(view: FeatureView) -> tuple[str, ...]:
    """The features that grow with time alone: seconds since something happened."""
    return tuple(one.name for group in view.groups for one in group.features if one.aggregate == "since")


def item(
    org: str, view: FeatureView, entity: str, values: Mapping[str, Value] | None, as_of: str, kept: timedelta
) -> dict[str, Any]:
    """A row as the low-level client takes it; without values it marks an entity that has none any more."""
    expires = clock.epoch(clock.parse(as_of) + kept)
    row: dict[str, Any] = {
        **row_key(org, view.name, entity),
        "version": {"S": view.version},
        "asOf": {"S": as_of},
        "expiresAt": {"N": str(expires)},
    }
    if values is not None:
        row["values"] = {"S": orjson.dumps(values).decode()}
    return row


def definitions(org: str, view: FeatureView, expires: int) -> list[dict[str, Any]]:
    """A row for each feature of a view, found by its name and type; they expire at a moment in seconds since 1970."""
    return [
        {
            "featureKey": {"S": keys.join(org, DEFINITIONS, view.name, one.name)},
            "sortKey": {"S": LATEST},
            "featureName": {"S": one.name},
            "dataType": {"S": one.kind},
            "entity": {"S": view.entity},
            "version": {"S": view.version},
            "description": {"S": one.description},
            "expiresAt": {"N": str(expires)},
        }
        for group in view.groups
        for one in group.features
    ]


def parse_marker(item: Item | None) -> Marker | None:
    """A marker from the table's row; None where there is none."""
    if item is None:
        return None
    names = ("asOf", "wholeAt", "version", "digest", "snapshot", "run", "startedAt", "writing")
    return Marker(*(item.get(name, {}).get("S") for name in names))


def parse_row(item: Item | None, view: FeatureView, marker: Marker | None, now: datetime) -> OnlineRow:
    """The values in an entity's row.

    Args:
        item: the row; None where there is none.
        view: a view of an entity, as this code knows it.
        marker: the view's, which may be a minute old.
        now: the present, which decides whether they are expired.
    """
    values = defaults(view)
    complete = marker.as_of if marker is not None else None
    if marker is not None and complete is not None and marker.digest != view.digest:
        return OnlineRow(values, "expired", complete)
    written = item["asOf"]["S"] if item is not None else None
    whole = marker.whole_at if marker is not None else None
    if written is not None and whole is not None and written < whole:
        item = None
    # Text order is time order. A row may be newer than the marker: its view is being written.
    as_of = max((one for one in (complete, written) if one is not None), default=None)
    if as_of is None:
        return OnlineRow(values, "missing", None)
    late = now - clock.parse(as_of) > timedelta(microseconds=view.ttl_us)
    if item is None or "values" not in item:
        return OnlineRow(values, "expired" if late else "missing", as_of)
    if item["version"]["S"] != view.version:
        return OnlineRow(values, "expired", as_of)
    held: dict[str, Value] = orjson.loads(item["values"]["S"])
    values.update((name, held[name]) for name in values if name in held)
    if written != as_of:
        for name in since(view):
            values[name] = _later(values[name], str(written), as_of)
    return OnlineRow(values, "expired" if late else "ok", as_of)


def _later(seconds: Value, written: str, as_of: str) -> Value:
    """Seconds since something happened, at a later moment than they were counted at: to the microsecond."""
    if not isinstance(seconds, (int, float)):
        return seconds
    before, after = (clock.epoch_micros(clock.parse(text)) for text in (written, as_of))
    return (after - before + round(seconds * 1e6)) / 1e6
