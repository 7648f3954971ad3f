"""From a transaction and the online rows of its user and merchant to the row of numbers that a model is given. Pure."""

import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from math import isfinite
from operator import itemgetter
from typing import Any, NamedTuple

from millrace.core import clock, keys
from millrace.features.evaluate import compile_view
from millrace.features.rows import Marker, entity_text, row_key
from millrace.features.views import FeatureError, FeatureView, FeatureViews
from millrace.model_registry.artifact import ModelCard
from millrace.scoring.answer import ScoringError

Values = Mapping[str, Any]
"""Feature → value, of one view and entity."""
NEVER = 0.0
# A text of this many characters is short enough for a key, however it is escaped.
_SHORT = 300


def known_until(view: FeatureView, marker: Marker | None) -> float:
    """Until when a view's rows may be used, in seconds since 1970.

    They may be used for the view's `ttl` after the moment up to which it is complete. A view that was never complete, or
    only under another definition, may not be used: what its rows lack may only not have been counted.
    """
    if marker is None or marker.as_of is None or not marker.covers(view):
        return NEVER
    return (clock.parse(marker.as_of) + timedelta(microseconds=view.ttl_us)).timestamp()


class OnlineView(NamedTuple):
    """A view whose online rows a model reads.

    Attributes:
        view: of an entity.
        prefix: of the rows' keys; the entity's key, escaped, follows.
    """

    view: FeatureView
    prefix: str


class Columns:
    """The columns of one model, built once when it is loaded; `pack` runs for every transaction."""

    def __init__(self, card: ModelCard, views: FeatureViews) -> None:
        """Finds the views that a model reads.

        Raises:
            ScoringError: the views of this deployment are not those that it was trained on.
        """
        self.width, self._org = len(card.features), card.org
        try:
            references = views.references(card.features)
            read = {name: views.view(name) for name in card.views}
            views.require_online(read)
        except FeatureError as error:
            raise ScoringError(f"the model reads features that it cannot have: {error}") from error
        for name, pin in card.views.items():
            view = read[name]
            if view.digest != pin.digest:
                raise ScoringError(
                    f"the model was trained on {name} {pin.version}, and this deployment has {view.version}"
                    + (" of another definition" if view.version == pin.version else "")
                )
        self.sources = tuple(
            OnlineView(view, f"{keys.join(card.org, view.entity)}{keys.SEPARATOR}")
            for view in read.values()
            if view.entity
        )
        fields = dict.fromkeys(source.view.key for source in self.sources)
        self._fields = tuple(
            (field, tuple((at, one.prefix) for at, one in enumerate(self.sources) if one.view.key == field))
            for field in fields
        )
        known = {source.view.name for source in self.sources}
        if lacking := {one.view for one in views.aggregates(references)} - known:
            raise ScoringError(f"the model's card pins no {', '.join(sorted(lacking))}")
        # The names in the order in which `_parts` gives them; `_order` brings them into the order of the card.
        self._parts: list[Callable[[Mapping[str, Values], Values, int], Sequence[Any]]] = []
        names: list[str] = []
        for name in dict.fromkeys(one.view for one in references):
            view = read[name]
            if view.entity:
                wanted = [one.feature for one in references if one.view == name]
                self._parts.append(_direct(name, wanted))
            else:
                wanted = list(view.features)
                self._parts.append(compile_view(view))
            names += [f"{name}:{feature}" for feature in wanted]
        places = [names.index(feature) for feature in card.features]
        self._order = None if places == list(range(len(names))) else _at(places)
        self._pack_into = struct.Struct(f"<{self.width}f").pack_into
        self.row_bytes = 4 * self.width

    def keys(self, request: Values) -> list[str | None]:
        """The key of the row with each source's values, as `features.rows.row_key` makes them.

        None where the transaction does not name the entity.
        """
        row_keys: list[str | None] = [None] * len(self.sources)
        for field, places in self._fields:
            key = request.get(field)
            # Nearly every key is ASCII text; `entity_text` handles the others.
            text = key if type(key) is str and key.isascii() else entity_text(key)
            if text is None:
                continue
            if len(text) > _SHORT:
                for place, _ in places:
                    entity = self.sources[place].view.entity
                    row_keys[place] = row_key(self._org, entity, text)["featureKey"]["S"]
                continue
            escaped = keys.escape(text)
            for place, prefix in places:
                row_keys[place] = prefix + escaped
        return row_keys

    def pack(
        self, buffer: bytearray, offset: int, values: Mapping[str, Values], request: Values, moment_us: int
    ) -> bool:
        """Writes a row of float32, little endian.

        Args:
            buffer: takes `row_bytes` from `offset` on.
            offset: in bytes.
            values: of each source's row, by view.
            request: the transaction's payload.
            moment_us: when it happened, in microseconds since 1970.

        Returns:
            False where a feature has no value, or one that no float32 holds: a model never gets such a row.
        """
        try:
            parts = self._parts
            row = parts[0](values, request, moment_us)
            if len(parts) > 1:
                row = [*row]
                for part in parts[1:]:
                    row += part(values, request, moment_us)
            if self._order is not None:
                row = self._order(row)
            if not isfinite(sum(row)):
                return False
            self._pack_into(buffer, offset, *row)
        except (KeyError, TypeError, OverflowError, struct.error):
            return False
        return True


def _direct(view: str, features: list[str]) -> Callable[[Mapping[str, Values], Values, int], Sequence[Any]]:
    if len(features) == 1:
        (only,) = features
        return lambda values, _request, _moment: (values[view][only],)
    get = itemgetter(*features)

    def row(values: Mapping[str, Values], _request: Values, _moment: int) -> Sequence[Any]:
        wanted: Sequence[Any] = get(values[view])
        return wanted

    return row


def _at(places: list[int]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    if len(places) == 1:
        (only,) = places
        return lambda row: (row[only],)
    return itemgetter(*places)
