"""What an answer to a list of features needs: views of entities, their keys, columns of the request, expressions. No I/O."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from millrace.core import clock
from millrace.features import expression, rows
from millrace.features.evaluate import Compiled, compile_view
from millrace.features.registry import FeatureError, Reference, Views
from millrace.features.rows import OnlineRow, Status, Value
from millrace.features.view import FeatureView


@dataclass(frozen=True, slots=True)
class FeatureValue:
    """One feature of one entity row.

    Attributes:
        feature: which.
        value: its default where nothing is known.
        as_of: the moment (UTC text) up to which it is counted; None if nothing ever was.
        status: `missing` where nobody has seen the entity, `expired` where what is kept is too old or of another version.
    """

    feature: Reference
    value: Value
    as_of: str | None
    status: Status


class Question:
    """Features to be read together."""

    def __init__(self, views: Views, features: Sequence[str]) -> None:
        """Reads the references.

        Raises:
            FeatureError: one is no reference, names what is not there, or stands there twice.
        """
        self.references = views.references(features)
        self._reads = {
            one: tuple(dict.fromkeys(read.view for read in views.aggregates((one,))))
            for one in self.references
        }
        names = dict.fromkeys(name for read in self._reads.values() for name in read)
        self.views: tuple[FeatureView, ...] = tuple(views.view(name) for name in names)
        self._derived: dict[str, tuple[tuple[str, ...], Compiled]] = {}
        # Column → the view that reads it.
        self._request: dict[str, str] = {}
        for view in {one.view: views.view(one.view) for one in self.references}.values():
            asked = tuple(one for one in view.derived if Reference(view.name, one.name) in self._reads)
            if not asked:
                continue
            self._derived[view.name] = (
                tuple(one.name for one in asked),
                compile_view(replace(view, derived=asked)),
            )
            for one in asked:
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
            FeatureError: one is not there, or is no number.
        """
        found: dict[str, float | None] = {}
        for column, view in self._request.items():
            if column not in entity_row:
                raise FeatureError(f"{view} needs {column}, and it is not there")
            found[column] = _number(column, entity_row[column])
        return found

    def answer(
        self, found: Mapping[str, OnlineRow], request: Mapping[str, float | None], moment: datetime
    ) -> tuple[FeatureValue, ...]:
        """The features of one entity row, in the order that they were asked for.

        Args:
            found: the row of each of `views`, by the view's name.
            request: of `requested`.
            moment: what derived features take for now.
        """
        # Expressions read numbers only: the build refuses a derived feature of a text.
        values: Mapping[str, Mapping[str, Any]] = {name: row.values for name, row in found.items()}
        derived = {
            view: dict(zip(names, function(values, request, rows.microseconds(moment)), strict=True))
            for view, (names, function) in self._derived.items()
        }
        return tuple(
            FeatureValue(
                one,
                derived[one.view][one.feature] if one.view in derived else values[one.view][one.feature],
                *_standing([found[name] for name in self._reads[one]], moment),
            )
            for one in self.references
        )


def _standing(read: Sequence[OnlineRow], moment: datetime) -> tuple[str | None, Status]:
    """Until when a feature is counted that is made of these rows, and the worst of their statuses."""
    found = {row.status for row in read}
    status: Status = "expired" if "expired" in found else "missing" if "missing" in found else "ok"
    moments = [row.as_of for row in read if row.as_of is not None]
    if len(moments) < len(read):
        return None, status
    return min(moments, default=clock.utc_text(moment)), status


def _number(name: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        # What is not finite says nothing.
        return float(value) if math.isfinite(value) else None
    raise FeatureError(f"{name} is {value!r:.100}, and a number is needed")
