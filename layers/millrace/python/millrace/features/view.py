"""A feature view as the bundle holds it: an entity, what is counted of it, and until when it is known. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

# `latest` is what the newest row says (null where it says nothing), `since` the seconds since the newest row; the rest is
# what it is in SQL, and values that are null, NaN or infinite count for nothing.
Aggregate = Literal["count", "sum", "mean", "share", "min", "max", "stddev", "latest", "since"]
Kind = Literal["long", "double", "string"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One aggregate over the rows of a source that fall into its window.

    For a moment t the window is the half-open [t - delay - offset - window, t - delay - offset): what happens at t
    itself never counts.

    Attributes:
        name: unique in its view.
        aggregate: what is made of the rows.
        column: of the source; None for `count` and `since`.
        window_us: microseconds; None reaches back to the first row.
        offset_us: how long before the moment the window ends, beside the delay of its group.
        default: what stands for no rows; None is null.
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
class Group:
    """Features of one source.

    Attributes:
        table: such as `marts.fct_transactions`.
        key: its column that holds the entity's key.
        timestamp: its column that says when a row happened.
        newest_by: columns that choose between rows of one entity and moment, greatest first; for `latest` only.
        delay_us: a row is known only this long after it happened, as the labels of fraud are.
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
    """A number computed from features and the request: an expression, and what stands where it has no value."""

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
        entity: what the rows are about, such as `user`; empty for derived features.
        key: the column of an entity frame that holds its key, such as `user_id`.
        groups: the features by source.
        request: columns of an entity frame that derived features read.
        derived: what is computed from other views and the request.
        ttl_us: how old, in microseconds, what is served of it may be.
    """

    name: str
    version: str
    digest: str
    description: str
    owner: str
    entity: str
    key: str
    groups: tuple[Group, ...]
    request: tuple[str, ...]
    derived: tuple[Derived, ...]
    ttl_us: int = 86_400_000_000

    @property
    def features(self) -> tuple[str, ...]:
        """The names of its features, in order."""
        return (
            *(feature.name for group in self.groups for feature in group.features),
            *(one.name for one in self.derived),
        )

    def with_delay(self, delay_us: int) -> "FeatureView":
        """The view as it would be if what is known late were known after `delay_us`; groups without a delay stay."""
        groups = tuple(
            replace(group, delay_us=delay_us) if group.delay_us else group for group in self.groups
        )
        return replace(self, groups=groups)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "FeatureView":
        """What `millrace.compiler.feature_views` wrote."""
        groups = tuple(
            Group(
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
