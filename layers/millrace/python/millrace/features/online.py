"""The online store: what feature views say now, read from DynamoDB.

A row is what the last hourly run counted (features/materialize.py). All views of an entity row and their markers are read
in one call; derived features are computed here, at this moment, from the same expressions as offline.
"""

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from millrace.core import clock
from millrace.core.errors import ThrottledError, from_client_error
from millrace.features.query import FeatureQuery, FeatureValue
from millrace.features.rows import Item, Key, Marker, marker_key, parse_marker, parse_row, row_keys
from millrace.features.views import FeatureError, FeatureView, FeatureViews

KEYS_PER_CALL = 100
ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.02


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


class OnlineStore:
    """Reads feature views of any tenant."""

    def __init__(
        self, dynamodb: Any, table: str, views: FeatureViews, now: Callable[[], datetime] = clock.now
    ) -> None:
        """Args of note.

        Args:
            dynamodb: the low-level client.
            table: FeatureStore.
            views: the feature views.
            now: the clock, which is the moment of derived features.
        """
        self._dynamodb, self._table, self._views, self._now = dynamodb, table, views, now

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
            FeatureError: a feature is unknown, a key or a column is missing or is none.
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
        """What `get_online_features` says, for who has read the query already."""
        views, now = query.views, self._now()
        requests = [query.requested(row) for row in entity_rows]
        wanted = [row_keys(org, views, row) for row in entity_rows]
        marks = [marker_key(org, view.name) for view in views]
        found = self._read([*marks, *(key for keys in wanted for key in keys if key)]) if wanted else {}
        markers = [parse_marker(found.get(_name(key))) for key in marks]
        return tuple(
            query.answer(
                {
                    view.name: parse_row(found.get(_name(key)), view, marker, now)
                    for view, key, marker in zip(views, keys, markers, strict=True)
                },
                request,
                now,
            )
            for keys, request in zip(wanted, requests, strict=True)
        )

    def markers(self, org: str, views: Iterable[FeatureView]) -> dict[str, Marker | None]:
        """The marker of each view by its name, for who reads rows together with rows of its own.

        Raises:
            RetryableError: the table did not answer for all.
        """
        keys = {view.name: marker_key(org, view.name) for view in views}
        found = self._read(keys.values())
        return {name: parse_marker(found.get(_name(key))) for name, key in keys.items()}

    def _read(self, wanted: Iterable[Key]) -> dict[str, Item]:
        """Rows by their partition key, 100 a call, each once."""
        keys = list({_name(key): key for key in wanted}.values())
        found: dict[str, Item] = {}
        for start in range(0, len(keys), KEYS_PER_CALL):
            for item in self._batch(keys[start : start + KEYS_PER_CALL]):
                found[item["featureKey"]["S"]] = item
        return found

    def _batch(self, left: list[Key]) -> list[Item]:
        items: list[Item] = []
        for attempt in range(ATTEMPTS):
            try:
                answer = self._dynamodb.batch_get_item(RequestItems={self._table: {"Keys": left}})
            except (ClientError, BotoCoreError) as error:
                raise from_client_error(error, "read features") from error
            items += answer["Responses"].get(self._table, [])
            left = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            if not left:
                return items
            time.sleep(random.uniform(0, FIRST_PAUSE_SECONDS * 2**attempt))  # noqa: S311  jitter
        raise ThrottledError(f"read features: {len(left)} left unprocessed")


def _name(key: Key | None) -> str:
    """What tells rows apart; nobody has no row."""
    return "" if key is None else key["featureKey"]["S"]
