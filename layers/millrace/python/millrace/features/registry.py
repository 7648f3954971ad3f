"""The feature views of a bundle, by name, and references to features: `user_features:order_count`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millrace.core import bundle
from millrace.core.errors import PermanentError
from millrace.features import expression
from millrace.features.view import FeatureView


class FeatureError(PermanentError):
    """What was asked of the feature views cannot be answered; the message says why."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One feature of one view."""

    view: str
    feature: str

    def __str__(self) -> str:
        return f"{self.view}:{self.feature}"


class Views:
    """All views of a bundle."""

    def __init__(self, views: Iterable[FeatureView]) -> None:
        self._views = {view.name: view for view in views}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Views":
        """What `millrace.compiler.feature_views` wrote."""
        return cls(FeatureView.from_json(one) for one in document["views"])

    def view(self, name: str) -> FeatureView:
        """One view.

        Raises:
            FeatureError: there is none of that name.
        """
        found = self._views.get(name)
        if found is None:
            raise FeatureError(f"there is no feature view {name}; there are {', '.join(sorted(self._views))}")
        return found

    def names(self) -> tuple[str, ...]:
        """The names of all views, in order."""
        return tuple(sorted(self._views))

    def sources(self) -> tuple[str, ...]:
        """Every table that some view reads, in order."""
        return tuple(sorted({group.table for view in self._views.values() for group in view.groups}))

    def with_delay(self, delay_us: int) -> "Views":
        """The views as they would be if what is known late were known after `delay_us`."""
        return Views(view.with_delay(delay_us) for view in self._views.values())

    def references(self, features: Iterable[str]) -> tuple[Reference, ...]:
        """What `view:feature` texts mean, in order.

        Raises:
            FeatureError: one is no reference, or names what is not there, or stands there twice.
        """
        found: dict[Reference, None] = {}
        for text in features:
            view, colon, feature = text.partition(":")
            if not colon or not view or not feature:
                raise FeatureError(f"{text!r} is no feature; write view:feature")
            if feature not in self.view(view).features:
                raise FeatureError(f"the view {view} has no feature {feature}")
            reference = Reference(view, feature)
            if reference in found:
                raise FeatureError(f"{text} stands there twice")
            found[reference] = None
        if not found:
            raise FeatureError("no feature is asked for")
        return tuple(found)

    def aggregates(self, references: Iterable[Reference]) -> tuple[Reference, ...]:
        """The features of sources that must be read for these, each once: derived ones are made of others."""
        found: dict[Reference, None] = {}
        for reference in references:
            derived = {one.name: one for one in self.view(reference.view).derived}
            if reference.feature not in derived:
                found[reference] = None
                continue
            for name in expression.names(derived[reference.feature].expression):
                view, point, feature = name.partition(".")
                if point and view != expression.REQUEST:
                    found[Reference(view, feature)] = None
        return tuple(found)


def load(folder: Path | None = None) -> Views:
    """The views of the bundle in `folder`, else of the one in force."""
    return bundle.load(_read, folder)


def _read(folder: Path) -> Views:
    return Views.from_json(bundle.document(folder, bundle.FEATURES))
