"""Features read together: the views, keys and columns of the request that they need, and the answer's assembly. No I/O."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from millrace.core import clock
from millrace.features import expression
from millrace.features.evaluate import Compiled, compile_view
from millrace.features.rows import OnlineRow, Status, Value
from millrace.features.views import FeatureError, FeatureView, FeatureViews, Reference


@dataclass(frozen=True, slots=True)
class FeatureValue:
    """One feature of one entity row.

    Attributes:
        feature: which.
        value: its default where the entity has no row.
        as_of: the moment (UTC text) up to which it is counted; None if it never was.
        status: `missing` where the entity has no row, `expired` where its row is too old or of another version.
    """

    feature: Reference
    value: Value
    as_of: str | None
    status: Status


class FeatureQuery:
    """Features to be read together."""

    def __init__(self, views: FeatureViews, features: Sequence[str]) -> None:
        """Parses the references.

        Raises:
            FeatureError: one is not a reference, names an unknown feature, is repeated, or is of a view that is not online.
        """
        self.references = views.references(features)
        self._reads = {
            one: tuple(dict.fromkeys(read.view for read in views.aggregates((one,))))
            for one in self.references
        }
        names = dict.fromkeys(name for read in self._reads.values() for name in read)
        views.require_online(names)
        self.views: tuple[FeatureView, ...] = tuple(views.view(name) for name in names)
        self._derived: dict[str, tuple[tuple[str, ...], Compiled]] = {}
        # Column → the view that reads it.
        self._request: dict[str, str] = {}
        for view in {one.view: views.view(one.view) for one in self.references}.values():
            derived = tuple(one for one in view.derived if Reference(view.name, one.name) in self._reads)
            if not derived:
                continue
            self._derived[view.name] = (
                tuple(one.name for one in derived),
                compile_view(replace(view, derived=derived)),
            )
            for one in derived:
                for name in expression.names(one.expression):
                    owner, _, column = name.rpartition(".")
                    if owner == expression.REQUEST:
                        self._request[column] = view.name

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of entities that an entity row must have."""
        return tuple(dict.fromkeys(view.key for view in self.views))

    @property
    def request(self) -> tuple[str, ...]:
        """The columns of the request that an entity row must have."""
        return tuple(self._request)

    def requested(self, entity_row: Mapping[str, object]) -> dict[str, float | None]:
        """The columns of an entity row that derived features read, as numbers.

        Raises:
            FeatureError: a column is missing, or is not a number.
        """
        columns: dict[str, float | None] = {}
        for column, view in self._request.items():
            if column not in entity_row:
                raise FeatureError(f"{view} needs {column}, and it is not there")
            columns[column] = _number(column, entity_row[column])
        return columns

    def answer(
        self, online: Mapping[str, OnlineRow], request: Mapping[str, float | None], moment: datetime
    ) -> tuple[FeatureValue, ...]:
        """The features of one entity row, in the order of the query.

        Args:
            online: the row of each of `views`, by the view's name.
            request: of `requested`.
            moment: the present, which derived features read.
        """
        # Expressions read numbers only: the build refuses a derived feature of a text.
        values: Mapping[str, Mapping[str, Any]] = {name: row.values for name, row in online.items()}
        derived = {
            view: dict(zip(names, function(values, request, clock.epoch_micros(moment)), strict=True))
            for view, (names, function) in self._derived.items()
        }
        return tuple(
            FeatureValue(
                one,
                derived[one.view][one.feature] if one.view in derived else values[one.view][one.feature],
                *_standing([online[name] for name in self._reads[one]], moment),
            )
            for one in self.references
        )


def _standing(read: Sequence[OnlineRow], moment: datetime) -> tuple[str | None, Status]:
    """The moment up to which a feature of these rows is counted, and the worst of their statuses."""
    statuses = {row.status for row in read}
    status: Status = "expired" if "expired" in statuses else "missing" if "missing" in statuses else "ok"
    moments = [row.as_of for row in read if row.as_of is not None]
    if len(moments) < len(read):
        return None, status
    return min(moments) if moments else clock.utc_text(moment), status


def _number(name: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        # A value that is not finite counts as missing.
        return float(value) if math.isfinite(value) else None
    raise FeatureError(f"{name} is {value!r:.100}, and a number is needed")
