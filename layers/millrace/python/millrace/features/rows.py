"""Rows of the online store, as they are stored and as they are read. No I/O.

`org#<entity>#<key>` / `LATEST` holds an entity's values at `asOf`, and the changes that time alone will bring: an attribute for each view, of
lines of JSON: `["1.0.0", [value, …]]`, then `[microseconds after asOf, place, value, place, value, …]` for each change, because most
readers need no more than the first. Values are in the order of the view's
features, without their defaults: null is not a value. Of a `since`, the moment is stored. A row without views marks an entity that has no
values any more.

`org#views#<entity>` / `LATEST` is the marker: up to when all rows are complete, and of which definitions. A row that is right still is not
written, so it holds until the marker's `asOf`; a row older than the marker's `wholeAt`, when every row was written, is left over and
does not count.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

import orjson

from millrace.core import clock, keys
from millrace.core.table import Item
from millrace.features.views import Feature, FeatureError, FeatureView, OnlineEntity

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
    """Up to when an entity's rows are complete for a tenant.

    Attributes:
        as_of: UTC text; None before the first time.
        whole_at: `as_of` of when every row was written; older rows do not count.
        digests: view → digest of the definition that the rows are of.
        snapshot: the object of the lake that holds what the rows were at `as_of`.
        run: the run that is writing now; None if none is.
        started_at: since when; a run that died leaves it behind.
        writing: the moment as of which it writes.
    """

    as_of: str | None
    whole_at: str | None
    digests: Mapping[str, str]
    snapshot: str | None
    run: str | None
    started_at: str | None
    writing: str | None = None

    def covers(self, view: FeatureView) -> bool:
        """Whether the rows have this view, of this definition."""
        return self.digests.get(view.name) == view.digest


@dataclass(frozen=True, slots=True)
class OnlineRow:
    """The values of an entity: every feature of its view, unknown ones as their defaults.

    `as_of` is the moment (UTC text) that the values are of; None where there is none.
    """

    values: Mapping[str, Value]
    status: Status
    as_of: str | None


def entity_text(value: object) -> str | None:
    """An entity's key as text: `42` for 42 and 42.0, a text as it is; None for None, NaN and infinity, which are not a key.

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
    raise FeatureError(f"{value!r:.100} is not a key of an entity: a key is a text or a number")


def row_key(org: str, kind: str, entity: str) -> Key:
    """The key of an entity's row, as the low-level client takes it; `kind` is such as `user`."""
    name = keys.join(org, kind, entity)
    if len(name.encode()) > MOST_KEY_BYTES:
        hashed = hashlib.sha256(entity.encode()).hexdigest()
        # In a key a client's text has no `#`: it is escaped.
        name = f"{keys.join(org, kind)}{keys.SEPARATOR}{keys.SEPARATOR}{hashed}"
    return {"featureKey": {"S": name}, "sortKey": {"S": LATEST}}


def marker_key(org: str, kind: str) -> Key:
    """The key of the marker of a kind of entity, such as `user`."""
    return {"featureKey": {"S": keys.join(org, MARKERS, kind)}, "sortKey": {"S": LATEST}}


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
        wanted.append(None if text is None else row_key(org, view.entity, text))
    return wanted


def defaults(view: FeatureView) -> dict[str, Value]:
    """The values of an entity without a row."""
    return {feature.name: feature.default for group in view.groups for feature in group.features}


def item(
    org: str, kind: str, entity: str, views: Mapping[str, str], as_of: str, expires_at: int
) -> dict[str, Any]:
    """A row as the low-level client takes it.

    Args:
        org: the tenant.
        kind: such as `user`.
        entity: its key.
        views: each view's name and JSON; none marks an entity that has no values any more.
        as_of: UTC text.
        expires_at: seconds since 1970.
    """
    return {
        **row_key(org, kind, entity),
        "asOf": {"S": as_of},
        "expiresAt": {"N": str(expires_at)},
        **{name: {"S": text} for name, text in views.items()},
    }


def marks(entity: OnlineEntity) -> str:
    """The definitions that rows are of, as their marker holds them."""
    return orjson.dumps(entity.digests).decode()


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
    names = ("asOf", "wholeAt", "views", "snapshot", "run", "startedAt", "writing")
    as_of, whole_at, views, *others = (item.get(name, {}).get("S") for name in names)
    return Marker(as_of, whole_at, orjson.loads(views) if views else {}, *others)


class RowReader:
    """Reads a view's values of any entity as of its marker; what is the same for every row is computed once."""

    def __init__(self, view: FeatureView, marker: Marker | None) -> None:
        """`marker` is of a view that is in use; without one every row is read as of when it was written."""
        features = [one for group in view.groups for one in group.features]
        self.defaults: Mapping[str, Value] = defaults(view)
        self._view, self._version = view.name, view.version
        self._names = [one.name for one in features]
        self._empty = [empty(one) for one in features]
        self._since = [place for place, one in enumerate(features) if one.aggregate == "since"]
        self._defaults = [
            (place, one.default)
            for place, one in enumerate(features)
            if one.default is not None and one.aggregate != "count"
        ]
        self._whole = (marker.whole_at if marker else None) or ""
        self._complete = (marker.as_of if marker else None) or ""

    def values(self, item: Item | None) -> Mapping[str, Value] | None:
        """Every feature of the view; None if the row is of another version of it.

        Args:
            item: as DynamoDB gives it; None where the entity has no row.
        """
        known = self.known(item)
        return known if known or known is None else self.defaults

    def known(self, item: Item | None) -> dict[str, Value] | None:
        """The same; nothing at all for an entity that has no values."""
        if item is None or self._view not in item:
            return {}
        written = item["asOf"]["S"]
        # Text order is time order. A row older than the last complete writing is left over and does not count.
        if written < self._whole:
            return {}
        first, _, changes = item[self._view]["S"].partition("\n")
        version, values = orjson.loads(first)
        if version != self._version:
            return None
        # A row may be newer than the marker: the rows are being written.
        as_of = max(self._complete, written)
        if as_of != written:
            _advance(values, changes, _microseconds(as_of) - _microseconds(written))
        if values == self._empty:
            return {}
        for place in self._since:
            moment = values[place]
            if moment is not None:
                values[place] = (_microseconds(as_of) - int(moment)) / 1e6
        for place, default in self._defaults:
            if values[place] is None:
                values[place] = default
        return dict(zip(self._names, values, strict=True))


def parse_row(item: Item | None, view: FeatureView, marker: Marker | None, now: datetime) -> OnlineRow:
    """A view's values in an entity's row.

    Args:
        item: the row; None where there is none.
        view: a view of an entity, as this code knows it.
        marker: the entity's, which may be a minute old.
        now: the present, which decides whether they are expired.
    """
    complete = marker.as_of if marker is not None else None
    if marker is not None and complete is not None and not marker.covers(view):
        return OnlineRow(defaults(view), "expired", complete)
    # Text order is time order.
    written = item["asOf"]["S"] if item is not None else None
    as_of = max((one for one in (complete, written) if one is not None), default=None)
    if as_of is None:
        return OnlineRow(defaults(view), "missing", None)
    known = RowReader(view, marker).known(item)
    late = now - clock.parse(as_of) > timedelta(microseconds=view.ttl_us)
    status: Status = "expired" if late or known is None else "ok" if known else "missing"
    return OnlineRow(known or defaults(view), status, as_of)


def empty(feature: Feature) -> Value:
    """A feature's stored value where its window has no rows."""
    return 0 if feature.aggregate == "count" else None


def _advance(values: list[Value], changes: str, passed_us: int) -> None:
    """Makes the changes that time alone has brought."""
    while changes:
        text, _, changes = changes.partition("\n")
        change = orjson.loads(text)
        if change[0] > passed_us:
            return
        for at in range(1, len(change), 2):
            values[change[at]] = change[at + 1]


@lru_cache(maxsize=1024)
def _microseconds(text: str) -> int:
    """Of a moment; the rows of one run share theirs."""
    return clock.epoch_micros(clock.parse(text))
