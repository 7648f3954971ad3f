"""The online store: the present values of feature views, read from DynamoDB.

Values are as of the last hourly run (features/materialize.py), whenever the row itself was written. All rows of an entity row and their
markers are read in one call; derived features are computed here, at this moment, from the same expressions as offline.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from millrace.core import clock
from millrace.core.table import Item, Table
from millrace.features.query import FeatureQuery, FeatureValue
from millrace.features.rows import Key, Marker, marker_key, parse_marker, parse_row, row_keys
from millrace.features.views import FeatureError, FeatureView, FeatureViews


@dataclass(frozen=True, slots=True)
class OnlineFeatures:
    """An answer for each entity row, in their order; `titles` names its columns."""

    entity_rows: tuple[Mapping[str, object], ...]
    rows: tuple[tuple[FeatureValue, ...], ...]
    titles: tuple[str, ...]

    def to_dict(self) -> dict[str, list[Any]]:
        """A list of values for each column of the entity rows and each feature, as Feast answers."""
        names = dict.fromkeys(name for row in self.entity_rows for name in row)
        columns: dict[str, list[Any]] = {name: [row.get(name) for row in self.entity_rows] for name in names}
        for place, title in enumerate(self.titles):
            columns[title] = [row[place].value for row in self.rows]
        return columns

    def to_df(self) -> Any:
        """The same as a pandas frame."""
        import pandas as pd  # noqa: PLC0415  no function has it

        return pd.DataFrame(self.to_dict())


class OnlineStore:
    """Reads feature views of any tenant."""

    def __init__(self, table: Table, views: FeatureViews, now: Callable[[], datetime] = clock.now) -> None:
        """Makes no call.

        Args:
            table: FeatureStore.
            views: the feature views.
            now: the clock, whose time derived features read as the present.
        """
        self._table, self._views, self._now = table, views, now

    def get_online_features(
        self,
        org: str,
        *,
        features: Sequence[str],
        entity_rows: Sequence[Mapping[str, object]],
        full_feature_names: bool = False,
    ) -> OnlineFeatures:
        """The features of each entity row.

        Args:
            org: the tenant.
            features: such as `user_features:order_count`.
            entity_rows: each with the keys of its entities and what derived features read of the request.
            full_feature_names: columns are named `user_features__order_count`.

        Raises:
            FeatureError: a feature is unknown or not online, or a key or a column is missing or invalid.
            RetryableError: the table did not answer for all.
        """
        query = FeatureQuery(self._views, features)
        titles = tuple(
            f"{one.view}__{one.feature}" if full_feature_names else one.feature for one in query.references
        )
        taken = [*dict.fromkeys(name for row in entity_rows for name in row), *titles]
        if twice := sorted({name for name in taken if taken.count(name) > 1}):
            raise FeatureError(
                f"{', '.join(twice)} would be a column twice; full_feature_names=True tells them apart"
            )
        return OnlineFeatures(tuple(entity_rows), self.answers(org, query, entity_rows), titles)

    def answers(
        self, org: str, query: FeatureQuery, entity_rows: Sequence[Mapping[str, object]]
    ) -> tuple[tuple[FeatureValue, ...], ...]:
        """The answer of `get_online_features` to a query that is parsed already."""
        views, now = query.views, self._now()
        requests = [query.requested(row) for row in entity_rows]
        wanted = [row_keys(org, views, row) for row in entity_rows]
        marks = [marker_key(org, view.entity) for view in views]
        items = self._read([*marks, *(key for keys in wanted for key in keys if key)]) if wanted else {}
        markers = [parse_marker(items.get(_name(key))) for key in marks]
        return tuple(
            query.answer(
                {
                    view.name: parse_row(items.get(_name(key)), view, marker, now)
                    for view, key, marker in zip(views, keys, markers, strict=True)
                },
                request,
                now,
            )
            for keys, request in zip(wanted, requests, strict=True)
        )

    def markers(self, org: str, views: Iterable[FeatureView]) -> dict[str, Marker | None]:
        """The marker of each view by its name, for a caller that reads the rows together with rows of its own.

        Raises:
            RetryableError: the table did not answer for all.
        """
        keys = {view.name: marker_key(org, view.entity) for view in views}
        items = self._read(keys.values())
        return {name: parse_marker(items.get(_name(key))) for name, key in keys.items()}

    def _read(self, wanted: Iterable[Key]) -> dict[str, Item]:
        """Rows by their partition key."""
        keys = {_name(key): key for key in wanted}
        items = self._table.batch_get(keys.values(), doing="read features")
        return {item["featureKey"]["S"]: item for item in items}


def _name(key: Key | None) -> str:
    """The partition key's text; empty where there is no key."""
    return "" if key is None else key["featureKey"]["S"]
