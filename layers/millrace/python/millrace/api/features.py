"""Features of entities as they are now: `GET /v1/features`."""

import math
import re
from http import HTTPStatus
from typing import Any

from millrace.api import params
from millrace.core.http import Problem, Request
from millrace.features.online import OnlineStore
from millrace.features.query import FeatureQuery
from millrace.features.views import FeatureError, FeatureViews

FEATURES = "features"
MOST = 100
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", re.ASCII)


class FeaturesApi:
    """Answers of `GET /v1/features`."""

    def __init__(self, store: OnlineStore, views: FeatureViews) -> None:
        self._store, self._views = store, views

    def get(self, request: Request) -> dict[str, Any]:
        """The features that are asked for, in order, of the entities whose keys stand beside them."""
        try:
            query = FeatureQuery(self._views, _names(request))
            row = self._row(request, query)
            (found,) = self._store.answers(request.authenticated.org, query, [row])
        except FeatureError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)[:500]) from error
        return {
            "results": [
                {"feature": str(one.feature), "value": one.value, "asOf": one.as_of, "status": one.status}
                for one in found
            ]
        }

    @staticmethod
    def _row(request: Request, query: FeatureQuery) -> dict[str, object]:
        """The entity row that the query is."""
        params.only(request, (FEATURES, *query.keys, *query.request))
        row: dict[str, object] = {}
        for view in query.views:
            # A text is what it says, and a number is written in one way: see the keys of the views.
            row[view.key] = request.query.get(view.key)
            if not row[view.key]:
                raise Problem(
                    HTTPStatus.BAD_REQUEST, f"{view.key} is missing: {view.name} is of a {view.entity}"
                )
        for column in query.request:
            text = request.query.get(column)
            if text is None:
                raise Problem(HTTPStatus.BAD_REQUEST, f"{column} is missing: the features asked for read it")
            row[column] = _number(column, text)
        return row


def _names(request: Request) -> list[str]:
    text = request.query.get(FEATURES)
    if not text:
        raise Problem(
            HTTPStatus.BAD_REQUEST, "features is missing: view:feature, several with commas between"
        )
    names = text.split(",")
    if len(names) > MOST:
        raise Problem(HTTPStatus.BAD_REQUEST, f"at most {MOST} features a call, and these are {len(names)}")
    return names


def _number(name: str, text: str) -> float:
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise Problem(HTTPStatus.BAD_REQUEST, f"{name} must be a number")
    return number
