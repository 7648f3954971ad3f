"""Feature views for users of Feast: one `FeatureStore` over the offline and the online store, with Feast's names and shapes.

A script that reads features from Feast reads them here after `from feast import FeatureStore` became
`from millrace.features.store import FeatureStore`. Nothing is written: the platform's hourly run computes and serves the views.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from millrace.features.offline import OfflineStore
from millrace.features.online import OnlineFeatures, OnlineStore
from millrace.features.repo_config import RepoConfig
from millrace.features.views import FeatureError, FeatureService, FeatureView

# Of one row for each entity, as Feast takes them, or of one list for each column.
EntityRows = Sequence[Mapping[str, object]] | Mapping[str, Sequence[object]]


@dataclass(frozen=True, slots=True)
class Field:
    """A feature of a view: its name, its type (`double`, `long`, `string` …) and what it says."""

    name: str
    dtype: str
    description: str


@dataclass(frozen=True, slots=True)
class ListedView:
    """A feature view as Feast lists one; `entities` is empty where a view is computed from others."""

    name: str
    entities: tuple[str, ...]
    features: tuple[Field, ...]
    ttl: timedelta
    online: bool
    description: str
    owner: str


class RetrievalJob:
    """The answer of `get_historical_features`."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def to_df(self) -> Any:
        """As a pandas frame."""
        return self._answer.to_pandas() if isinstance(self._answer, pa.Table) else self._answer

    def to_arrow(self) -> pa.Table:
        """As an Arrow table."""
        if isinstance(self._answer, pa.Table):
            return self._answer
        return pa.Table.from_pandas(self._answer, preserve_index=False)


class FeatureStore:
    """Reads one tenant's features, past and present."""

    def __init__(self, repo_path: str | Path | None = None, *, config: RepoConfig | None = None) -> None:
        """Makes no call.

        Args:
            repo_path: the folder with `feature_store.yaml`; the current one without it.
            config: instead of a folder.

        Raises:
            FeatureError: there is no such file, it is not valid, or there are no compiled views.
        """
        self.config = config or RepoConfig.read(Path(repo_path or "."))
        self._views = self.config.feature_views()

    @property
    def project(self) -> str:
        """The tenant."""
        return self.config.project

    def list_feature_views(self) -> list[ListedView]:
        """Every view, by name."""
        return [_listed(self._views.view(name)) for name in self._views.names()]

    def get_feature_view(self, name: str) -> ListedView:
        """One view.

        Raises:
            FeatureError: there is none of that name.
        """
        return _listed(self._views.view(name))

    def list_feature_services(self) -> list[FeatureService]:
        """The features that each model reads, by the model's name."""
        return list(self._views.services)

    def get_feature_service(self, name: str) -> FeatureService:
        """The features that a model reads.

        Raises:
            FeatureError: there is no model of that name.
        """
        for service in self._views.services:
            if service.name == name:
                return service
        names = ", ".join(one.name for one in self._views.services) or "none"
        raise FeatureError(f"there is no feature service {name}; there is one for each model: {names}")

    def get_historical_features(
        self,
        entity_df: Any,
        features: Sequence[str] | FeatureService,
        full_feature_names: bool = False,
    ) -> RetrievalJob:
        """Features at past moments; see `OfflineStore.get_historical_features`.

        Args:
            entity_df: a pandas frame, a pyarrow table, or a SELECT over the lake's tables; with the entities' keys and
                `event_timestamp`.
            features: such as `user_features:order_count`, or a feature service.
            full_feature_names: columns are named `user_features__order_count`.

        Raises:
            FeatureError: a feature is unknown, or the frame lacks a column or is not valid.
            RetryableError: the lake did not answer.
        """
        names = _references(features)
        wanted = self._views.aggregates(self._views.references(names))
        tables = set(self._views.tables(wanted))
        with self.config.connect() as connection:
            sql = entity_df if isinstance(entity_df, str) else None
            if sql is not None:
                tables |= _tables_of(connection, sql)
            self.config.open_tables(connection, tables)
            if sql is not None:
                entity_df = _select(connection, sql)
            return RetrievalJob(
                OfflineStore(connection, self._views).get_historical_features(
                    entity_df, names, full_feature_names=full_feature_names, org=self.project
                )
            )

    def get_online_features(
        self,
        features: Sequence[str] | FeatureService,
        entity_rows: EntityRows,
        full_feature_names: bool = False,
    ) -> OnlineFeatures:
        """Features as of the last hourly run; see `OnlineStore.get_online_features`.

        Args:
            features: such as `user_features:order_count`, or a feature service.
            entity_rows: a dictionary for each row, or one of a list for each column.
            full_feature_names: columns are named `user_features__order_count`.

        Raises:
            FeatureError: a feature is unknown or not online, or a key is missing or invalid.
            RetryableError: the table did not answer for all.
        """
        return self._online.get_online_features(
            self.project,
            features=_references(features),
            entity_rows=_rows(entity_rows),
            full_feature_names=full_feature_names,
        )

    def materialize(
        self,
        start_date: datetime,  # noqa: ARG002  Feast's arguments
        end_date: datetime,
        feature_views: Sequence[str] | None = None,
    ) -> None:
        """Writes nothing and says so: the platform's hourly run writes the online views."""
        self.materialize_incremental(end_date, feature_views)

    def materialize_incremental(
        self,
        end_date: datetime,  # noqa: ARG002  Feast's arguments
        feature_views: Sequence[str] | None = None,
    ) -> None:
        """Writes nothing and says so: the platform's hourly run writes the online views.

        Raises:
            FeatureError: a view is not online, or there is none of that name.
        """
        self._views.require_online(feature_views or ())
        sys.stderr.write("Nothing to do: the platform's hourly run materializes every online view.\n")

    @cached_property
    def _online(self) -> OnlineStore:
        return OnlineStore(self.config.online_table(), self._views)


def _references(features: Sequence[str] | FeatureService) -> Sequence[str]:
    return features.features if isinstance(features, FeatureService) else features


def _rows(entity_rows: EntityRows) -> Sequence[Mapping[str, object]]:
    if not isinstance(entity_rows, Mapping):
        return entity_rows
    lengths = {len(values) for values in entity_rows.values()}
    if len(lengths) > 1:
        raise FeatureError(
            f"the columns of entity_rows have {' and '.join(map(str, sorted(lengths)))} values"
        )
    return [dict(zip(entity_rows, row, strict=True)) for row in zip(*entity_rows.values(), strict=True)]


def _tables_of(connection: duckdb.DuckDBPyConnection, sql: str) -> set[str]:
    try:
        # DuckDB quotes names that are words of SQL; names of the lake's tables hold no quotes.
        return {name.replace('"', "") for name in connection.get_table_names(sql, qualified=True)}
    except duckdb.Error as error:
        raise FeatureError(f"entity_df is not a SELECT: {error}") from error


def _select(connection: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
    try:
        return connection.sql(sql).to_arrow_table()
    except duckdb.Error as error:
        raise FeatureError(f"entity_df cannot be read: {error}") from error


def _listed(view: FeatureView) -> ListedView:
    fields = (
        *(Field(one.name, one.kind, one.description) for group in view.groups for one in group.features),
        *(Field(one.name, "double", one.description) for one in view.derived),
    )
    return ListedView(
        name=view.name,
        entities=(view.entity,) if view.entity else (),
        features=fields,
        ttl=timedelta(microseconds=view.ttl_us),
        online=view.online,
        description=view.description,
        owner=view.owner,
    )
