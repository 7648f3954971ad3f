"""Features of entities as they are now: `GET /v1/features`. Users are named by their ids; their rows have numbers of people."""

from http import HTTPStatus
from typing import Any

from millrace.api.route import Call
from millrace.api.user_ids import UserIds
from millrace.core import values
from millrace.core.http import Problem
from millrace.features.online import OnlineStore
from millrace.features.query import FeatureQuery
from millrace.features.views import USER, FeatureError, FeatureViews
from millrace.privacy.suppressed import SCORING

FEATURES = "features"


class FeaturesApi:
    """Answers of `GET /v1/features`."""

    def __init__(self, store: OnlineStore, views: FeatureViews, user_ids: UserIds) -> None:
        self._store, self._views, self._user_ids = store, views, user_ids

    def get(self, call: Call) -> dict[str, Any]:
        """The features that are named, in order, of the entities whose keys stand beside them."""
        try:
            query = FeatureQuery(self._views, call.values[FEATURES])
            row = _row(call, query)
            users = {view.key: row[view.key] for view in query.views if view.entity == USER}
            # Of whom no features go online, those of the hour before are not told either.
            stored = {key: self._user_ids.stored(call.org, user, SCORING) for key, user in users.items()}
            (answers,) = self._store.answers(call.org, query, [{**row, **stored}])
        except FeatureError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)[:500]) from error
        return {
            "results": [
                {"feature": str(one.feature), "value": one.value, "asOf": one.as_of, "status": one.status}
                for one in answers
            ]
        }


def _row(call: Call, query: FeatureQuery) -> dict[str, Any]:
    """The entity row that the query is. It holds what the features need and nothing else."""
    given = call.values
    if others := sorted(given.keys() - {FEATURES, *query.keys, *query.request}):
        raise Problem(HTTPStatus.BAD_REQUEST, str(values.unknown(others, "parameter")))
    for view in query.views:
        if view.key not in given:
            raise Problem(HTTPStatus.BAD_REQUEST, f"{view.key} is missing: {view.name} is of a {view.entity}")
    for column in query.request:
        if column not in given:
            raise Problem(HTTPStatus.BAD_REQUEST, f"{column} is missing: the named features read it")
    return {name: given[name] for name in given if name != FEATURES}
