"""Where champions come from: the alias in MLModels, the artifact in the lake, the markers of what is known online."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from millrace.core import clock, keys
from millrace.core.errors import RetryableError, from_client_error
from millrace.features.registry import Views
from millrace.features.view import FeatureView
from millrace.registry.rows import Alias
from millrace.registry.store import ModelStore
from millrace.scoring.answer import MODEL
from millrace.scoring.champion import Champion, Model
from millrace.scoring.lake import ArtifactStore

LATEST = "LATEST"
_MICROSECONDS = 1_000_000
_NEVER, _FOR_EVER = 0.0, float("inf")


class Source:
    """Champions of any tenant, each from rows and objects of its own."""

    def __init__(
        self, models: ModelStore, artifacts: ArtifactStore, dynamodb: Any, features_table: str, views: Views
    ) -> None:
        self._models, self._artifacts = models, artifacts
        self._dynamodb, self._table, self._views = dynamodb, features_table, views

    def alias(self, org: str) -> Alias | None:
        """Which version of a tenant is in force; None where none is.

        Raises:
            MillraceError: the table did not answer.
        """
        return self._models.alias(org, MODEL)

    def load(self, alias: Alias) -> Champion:
        """The version that an alias names.

        Raises:
            ArtifactError: what lies in the lake is not what was registered, or does not answer as it did then.
            ScoringError: it was trained on other feature views than those of this deployment.
            RetryableError: the lake did not answer.
        """
        held = self._artifacts.read(alias.artifact)
        model = Model(held, alias.card_sha256, org=alias.org, version=alias.version)
        return Champion(model, self._views)

    def known_until(self, champion: Champion) -> float:
        """Until when the online rows of a champion's views may be used, in seconds since 1970.

        Each view's marker says until when the view is complete; for its `ttl` from then on it is used. A view without a
        marker, or with one of another definition, is not complete.

        Raises:
            MillraceError: the table did not answer.
        """
        views = [source.view for source in champion.columns.sources]
        if not views:
            return _FOR_EVER
        by_key = {keys.join(champion.org, "views", view.name): view for view in views}
        asked = {
            "Keys": [{"featureKey": {"S": key}, "sortKey": {"S": LATEST}} for key in by_key],
            "ConsistentRead": True,
        }
        try:
            answer = self._dynamodb.batch_get_item(RequestItems={self._table: asked})
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, "read the markers of feature views") from error
        if answer.get("UnprocessedKeys"):
            raise RetryableError("read the markers of feature views: not all were read")
        items = {item["featureKey"]["S"]: item for item in answer["Responses"].get(self._table, [])}
        return min(_until(items.get(key), view) for key, view in by_key.items())


def _until(item: Mapping[str, Any] | None, view: FeatureView) -> float:
    if item is None or "asOf" not in item or item.get("digest", {}).get("S") != view.digest:
        return _NEVER
    return clock.parse(item["asOf"]["S"]).timestamp() + view.ttl_us / _MICROSECONDS
