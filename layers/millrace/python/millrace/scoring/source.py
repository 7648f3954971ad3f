"""Where champions come from: the alias in MLModels, the artifact in the lake, the markers of what is known online."""

from collections.abc import Callable, Mapping
from typing import Any

from millrace.features import registry
from millrace.features.online import OnlineStore
from millrace.features.registry import Views
from millrace.features.rows import Marker
from millrace.model_registry.rows import Alias
from millrace.model_registry.store import ModelStore
from millrace.scoring.answer import MODEL
from millrace.scoring.champion import Champion, Model
from millrace.scoring.lake import ArtifactStore


class Source:
    """Champions of any tenant, each from rows and objects of its own."""

    def __init__(
        self,
        dynamodb: Any,
        s3: Any,
        *,
        models_table: str,
        features_table: str,
        bucket: str,
        views: Callable[[], Views] = registry.load,
    ) -> None:
        """Names the stores; nothing is read before a tenant has a champion.

        Args:
            dynamodb: the low-level client.
            s3: likewise.
            models_table: MLModels.
            features_table: FeatureStore.
            bucket: the lake.
            views: the feature views of this deployment.
        """
        self._dynamodb, self._features_table, self._views = dynamodb, features_table, views
        self._models, self._artifacts = ModelStore(dynamodb, models_table), ArtifactStore(s3, bucket)

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
        return Champion(model, self._views())

    def markers(self, champion: Champion) -> Mapping[str, Marker | None]:
        """Until when the views that a champion reads are complete online.

        Raises:
            MillraceError: the table did not answer.
        """
        online = OnlineStore(self._dynamodb, self._features_table, self._views())
        return online.markers(champion.org, [source.view for source in champion.columns.sources])
