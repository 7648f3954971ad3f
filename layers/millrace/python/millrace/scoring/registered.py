"""Registered models for scoring: a tenant's champion, and any version that a recorded decision names."""

from collections.abc import Callable, Mapping

from millrace.core.errors import PermanentError
from millrace.core.table import Table
from millrace.features import views as feature_views
from millrace.features.online import OnlineStore
from millrace.features.rows import Marker
from millrace.features.views import FeatureViews
from millrace.model_registry.files import ArtifactFiles
from millrace.model_registry.rows import Alias, version_named
from millrace.model_registry.store import ModelStore, need
from millrace.scoring.answer import MODEL, version_text
from millrace.scoring.champion import Champion, Model


class RegisteredChampions:
    """Champions of any tenant: the alias in MLModels, the artifact in the lake, the markers in FeatureStore."""

    def __init__(
        self,
        models: ModelStore,
        files: ArtifactFiles,
        features: Table,
        views: Callable[[], FeatureViews] = feature_views.load,
    ) -> None:
        """Makes no call; nothing is read before a tenant has a champion.

        Args:
            models: the model registry.
            files: the artifacts of its versions.
            features: FeatureStore.
            views: the feature views of this deployment.
        """
        self._models, self._files, self._features, self._views = models, files, features, views

    def alias(self, org: str) -> Alias | None:
        """Which version of a tenant is in force; None where none is.

        Raises:
            MillraceError: the table did not answer.
        """
        return self._models.alias(org, MODEL)

    def load(self, alias: Alias) -> Champion:
        """The version that an alias names.

        Raises:
            ArtifactError: the files in the lake are not what was registered, or score otherwise than they did then.
            ScoringError: it was trained on other feature views than those of this deployment.
            RetryableError: the lake did not answer.
        """
        stored = self._files.load(alias.artifact)
        model = Model(stored, alias.card_sha256, org=alias.org, version=alias.version)
        return Champion(model, self._views())

    def markers(self, champion: Champion) -> Mapping[str, Marker | None]:
        """Up to when the views that a champion reads are complete online.

        Raises:
            MillraceError: the table did not answer.
        """
        online = OnlineStore(self._features, self._views())
        return online.markers(champion.org, [source.view for source in champion.columns.sources])


class RegisteredModels:
    """Versions by tenant and number, to score the inputs of recorded decisions again. Each is loaded once and verified."""

    def __init__(self, models: ModelStore, files: ArtifactFiles) -> None:
        """The model registry, and the artifacts of its versions."""
        self._models, self._files = models, files
        self._loaded: dict[tuple[str, str], Model] = {}

    def of(self, org: str) -> Callable[[str, bytes], float | None]:
        """The `Rescore` of a tenant: (`fraud/00000003`, the recorded row) → the served score.

        It raises a PermanentError for a version that is not registered, is not what was registered, or takes no such row,
        and a RetryableError when a store does not answer.
        """
        return lambda version, inputs: self._model(org, version).rescore(inputs)

    def _model(self, org: str, version: str) -> Model:
        model = self._loaded.get((org, version))
        if model is None:
            digits = version_named(version)
            if version != version_text(digits):
                raise PermanentError(f"{version!r} is no version of {MODEL}")
            row = need(self._models, org, MODEL, digits)
            model = Model(self._files.load(row.artifact), row.card_sha256, org=org, version=digits)
            self._loaded[org, version] = model
        return model
