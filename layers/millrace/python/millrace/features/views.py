"""Feature views: their definitions as the bundle holds them, found by name, and references such as `user_features:order_count`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from millrace.core import bundle
from millrace.core.errors import PermanentError
from millrace.features import expression

# `latest` is the value of the newest row (null where it has none), `since` the seconds since the newest row; the others are
# SQL's, without values that are null, NaN or infinite.
Aggregate = Literal["count", "sum", "mean", "share", "min", "max", "stddev", "latest", "since"]
Kind = Literal["long", "double", "string"]
# The entity whose keys are users: they are stored as numbers of people, and the API speaks of them by their ids.
USER = "user"


@dataclass(frozen=True, slots=True)
class Feature:
    """One aggregate over the rows of a source that fall into its window.

    For a moment t the window is the half-open [t - delay - offset - window, t - delay - offset): what happens at t
    itself never counts.

    Attributes:
        name: unique in its view.
        aggregate: how the rows are aggregated.
        column: of the source; None for `count` and `since`.
        window_us: microseconds; None reaches back to the first row.
        offset_us: how long before the moment the window ends, beside the delay of its group.
        default: the value without rows; None is null.
        kind: of the value.
        description: for people.
    """

    name: str
    aggregate: Aggregate
    column: str | None
    window_us: int | None
    offset_us: int
    default: float | int | str | None
    kind: Kind
    description: str


@dataclass(frozen=True, slots=True)
class FeatureGroup:
    """Features of one source.

    Attributes:
        table: such as `marts.fct_transactions`.
        key: its column that holds the entity's key.
        timestamp: its column with the moment of a row.
        newest_by: columns that choose between rows of one entity and moment, greatest first; for `latest` only.
        delay_us: a row is known only this long after it happened, as a fraud's label is.
        filter: an expression over the source's columns; None takes every row.
        features: at least one.
    """

    table: str
    key: str
    timestamp: str
    newest_by: tuple[str, ...]
    delay_us: int
    filter: str | None
    features: tuple[Feature, ...]


@dataclass(frozen=True, slots=True)
class Derived:
    """A number computed from features and the request: an expression, and its default where it has no value."""

    name: str
    expression: str
    default: float | None
    description: str


@dataclass(frozen=True, slots=True)
class FeatureView:
    """A view; it has either groups with an entity, or derived features.

    Attributes:
        name: such as `user_features`.
        version: semantic; a changed definition has a new one.
        digest: SHA-256 of the definition, in hex.
        description: for people.
        owner: who answers for it.
        entity: the kind of entity, such as `user`; empty for derived features.
        key: the column of an entity frame that holds its key, such as `user_id`.
        groups: the features by source.
        request: columns of an entity frame that derived features read.
        derived: features computed from other views and the request.
        ttl_us: how old, in microseconds, a served value may be.
        online: whether its present values are in the online store; one of derived features has no rows of its own.
    """

    name: str
    version: str
    digest: str
    description: str
    owner: str
    entity: str
    key: str
    groups: tuple[FeatureGroup, ...]
    request: tuple[str, ...]
    derived: tuple[Derived, ...]
    ttl_us: int = 86_400_000_000
    online: bool = True

    @property
    def features(self) -> tuple[str, ...]:
        """The names of its features, in order."""
        return (
            *(feature.name for group in self.groups for feature in group.features),
            *(one.name for one in self.derived),
        )

    def with_delay(self, delay_us: int) -> "FeatureView":
        """The view with this delay, in microseconds, for every group that has one."""
        groups = tuple(
            replace(group, delay_us=delay_us) if group.delay_us else group for group in self.groups
        )
        return replace(self, groups=groups)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "FeatureView":
        """The document that `millrace.compiler.feature_views` wrote."""
        groups = tuple(
            FeatureGroup(
                **{
                    **group,
                    "newest_by": tuple(group["newest_by"]),
                    "features": tuple(Feature(**one) for one in group["features"]),
                }
            )
            for group in document["groups"]
        )
        derived = tuple(Derived(**one) for one in document["derived"])
        return cls(
            **{**document, "groups": groups, "derived": derived, "request": tuple(document["request"])}
        )


@dataclass(frozen=True, slots=True)
class OnlineEntity:
    """A kind of entity with the online views of it: one row of the online store holds an entity's values of all of them.

    Attributes:
        name: such as `user`.
        key: the column of an entity frame that holds its key.
        views: by name.
    """

    name: str
    key: str
    views: tuple[FeatureView, ...]

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each view's definition, by the view's name."""
        return {view.name: view.digest for view in self.views}

    @property
    def features(self) -> tuple[tuple[FeatureView, Feature], ...]:
        """Every feature with its view, in the order of their values in a row."""
        return tuple((view, one) for view in self.views for group in view.groups for one in group.features)


@dataclass(frozen=True, slots=True)
class FeatureService:
    """The features of a model, `view:feature` each, in the order of its input, by the model's name."""

    name: str
    features: tuple[str, ...]


class FeatureError(PermanentError):
    """The feature views cannot answer the request; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One feature of one view."""

    view: str
    feature: str

    def __str__(self) -> str:
        return f"{self.view}:{self.feature}"


class FeatureViews:
    """All views of a bundle."""

    def __init__(self, views: Iterable[FeatureView], services: Iterable[FeatureService] = ()) -> None:
        self._views = {view.name: view for view in views}
        self.services = tuple(services)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "FeatureViews":
        """The document that `millrace.compiler.feature_views` wrote."""
        services: Mapping[str, list[str]] = document.get("services", {})
        return cls(
            (FeatureView.from_json(one) for one in document["views"]),
            (FeatureService(name, tuple(features)) for name, features in sorted(services.items())),
        )

    def view(self, name: str) -> FeatureView:
        """One view.

        Raises:
            FeatureError: there is no view of that name.
        """
        view = self._views.get(name)
        if view is None:
            raise FeatureError(f"there is no feature view {name}; there are {', '.join(sorted(self._views))}")
        return view

    def names(self) -> tuple[str, ...]:
        """The names of all views, in order."""
        return tuple(sorted(self._views))

    def online(self) -> tuple[OnlineEntity, ...]:
        """The entities that have rows online, by name."""
        views: dict[tuple[str, str], list[FeatureView]] = {}
        for name in self.names():
            view = self._views[name]
            if view.online and view.groups:
                views.setdefault((view.entity, view.key), []).append(view)
        return tuple(OnlineEntity(*entity, tuple(of_entity)) for entity, of_entity in sorted(views.items()))

    def require_online(self, names: Iterable[str]) -> None:
        """Checks that the views among these that have rows have them online.

        Raises:
            FeatureError: one has not, or there is no view of that name; the message says how it comes online.
        """
        for view in map(self.view, names):
            if view.groups and not view.online:
                raise FeatureError(
                    f"{view.name} is not online: it is read offline only. With `online: true` in schemas/features/"
                    f"{view.name}.yaml the first run after the deployment writes its rows"
                )

    def sources(self) -> tuple[str, ...]:
        """Every table that some view reads, in order."""
        return tuple(sorted({group.table for view in self._views.values() for group in view.groups}))

    def tables(self, references: Iterable[Reference]) -> tuple[str, ...]:
        """The tables that these aggregates are computed from, in order."""
        wanted = set(references)
        return tuple(
            sorted(
                {
                    group.table
                    for view in self._views.values()
                    for group in view.groups
                    for one in group.features
                    if Reference(view.name, one.name) in wanted
                }
            )
        )

    def with_delay(self, delay_us: int) -> "FeatureViews":
        """The views with this delay, in microseconds, for every group that has one."""
        return FeatureViews((view.with_delay(delay_us) for view in self._views.values()), self.services)

    def references(self, features: Iterable[str]) -> tuple[Reference, ...]:
        """The references that `view:feature` texts name, in order.

        Raises:
            FeatureError: a text is not a reference, names an unknown feature, or is repeated.
        """
        references: dict[Reference, None] = {}
        for text in features:
            view, colon, feature = text.partition(":")
            if not colon or not view or not feature:
                raise FeatureError(f"{text!r} is not a feature; write view:feature")
            if feature not in self.view(view).features:
                raise FeatureError(f"the view {view} has no feature {feature}")
            reference = Reference(view, feature)
            if reference in references:
                raise FeatureError(f"{text} stands there twice")
            references[reference] = None
        if not references:
            raise FeatureError("no feature is named")
        return tuple(references)

    def aggregates(self, references: Iterable[Reference]) -> tuple[Reference, ...]:
        """The aggregates that must be read for these, each once: a derived feature needs those that its expression names."""
        needed: dict[Reference, None] = {}
        for reference in references:
            derived = {one.name: one for one in self.view(reference.view).derived}
            if reference.feature not in derived:
                needed[reference] = None
                continue
            for name in expression.names(derived[reference.feature].expression):
                view, point, feature = name.partition(".")
                if point and view != expression.REQUEST:
                    needed[Reference(view, feature)] = None
        return tuple(needed)


def load(folder: Path | None = None) -> FeatureViews:
    """The views of the bundle in `folder`, else of the one in force."""
    return bundle.load(_read, folder)


def _read(folder: Path) -> FeatureViews:
    return FeatureViews.from_json(bundle.document(folder, bundle.FEATURES))
