"""A model that serves: its columns, its graph, its calibration, and the version that decisions name."""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from millrace.features.rows import Marker, RowReader
from millrace.features.views import FeatureViews
from millrace.model_registry import artifact
from millrace.model_registry.artifact import ArtifactError, ModelCard
from millrace.model_registry.files import Artifact
from millrace.scoring.answer import DECIMALS, MODEL, Answer, ScoringError, pack, version_text
from millrace.scoring.model_input import Columns, Values, known_until


class ScoringGraph(Protocol):
    """The interface of `scoring.session.Session`."""

    def room(self, rows: int) -> bytearray:
        """A buffer for this many rows of float32."""
        ...

    def scores(self, rows: int) -> list[float]:
        """The scores of the first rows of the buffer."""
        ...


class ModelInput(NamedTuple):
    """A transaction with the feature values that a model is given.

    Attributes:
        values: of each of the model's sources, by view.
        request: the transaction's payload.
        moment_us: when it happened, in microseconds since 1970.
    """

    values: Mapping[str, Values]
    request: Values
    moment_us: int


class Model:
    """A loaded artifact whose scores of its golden rows prove that it is the registered one."""

    def __init__(self, stored: Artifact, card_sha256: str, *, org: str, version: str) -> None:
        """Checks the chain from the registry's hash over the card to the graph, and the golden rows.

        Args:
            stored: the files in the lake.
            card_sha256: of the card, as the model registry holds it.
            org: the tenant; a model of another tenant is refused.
            version: eight digits.

        Raises:
            ArtifactError: it is not what was registered, or scores its golden rows otherwise than it did in training.
        """
        # Only when there is a model: it imports numpy and onnxruntime.
        from millrace.scoring.session import Session  # noqa: PLC0415

        digest = artifact.fingerprint(stored.card)
        if digest != card_sha256:
            raise ArtifactError(f"model.json has the hash {digest}, the registry says {card_sha256}")
        card = artifact.read(stored.card)
        if (card.org, card.model) != (org, MODEL):
            raise ArtifactError(f"this is the model {card.model} of {card.org}")
        artifact.verify(card, stored.onnx)
        self.card: ModelCard = card
        self.version, self.registered, self.card_sha256 = version_text(version), version, card_sha256
        self.graph: ScoringGraph = Session(stored.onnx, len(card.features))
        self._calibrate = card.calibration
        self._golden()

    def _golden(self) -> None:
        rows = self.card.golden
        buffer, row = self.graph.room(len(rows)), struct.Struct(f"<{len(self.card.features)}f")
        for place, golden in enumerate(rows):
            row.pack_into(buffer, place * row.size, *golden.inputs)
        artifact.verify_golden(self.card, self.graph.scores(len(rows)))

    def probabilities(self, rows: int) -> list[float | None]:
        """The calibrated scores of the first rows of the graph's buffer, as they are served.

        None where the graph's score is NaN, as a sum that overflows may be; the other rows keep their scores.

        Raises:
            ArtifactError: the graph fails.
        """
        calibrate = self._calibrate
        return [
            round(calibrate(score), DECIMALS) if score == score else None  # noqa: PLR0124  NaN alone differs from itself
            for score in self.graph.scores(rows)
        ]

    def rescore(self, inputs: bytes) -> float | None:
        """The served score of a row that a decision has recorded.

        Raises:
            ArtifactError: it is not a row of this model.
        """
        if len(inputs) != 4 * len(self.card.features):
            raise ArtifactError(
                f"a row of this model has {4 * len(self.card.features)} bytes, not {len(inputs)}"
            )
        self.graph.room(1)[: len(inputs)] = inputs
        return self.probabilities(1)[0]


class Champion:
    """A tenant's model in force, with the columns that it is given. One caller at a time."""

    def __init__(self, model: Model, views: FeatureViews) -> None:
        """Joins a model with the views of this deployment.

        Raises:
            ScoringError: it was trained on other views.
        """
        self.version, self.registered, self.card_sha256 = model.version, model.registered, model.card_sha256
        self.org = model.card.org
        self.columns = Columns(model.card, views)
        self._model = model
        self.set_markers({})

    def set_markers(self, markers: Mapping[str, Marker | None]) -> None:
        """Sets up to when online rows are complete, and with it `known_until`: until when they may be used, seconds since 1970.

        Args:
            markers: of each source's view; a view without one is not complete.
        """
        views = [source.view for source in self.columns.sources]
        self.readers = tuple(RowReader(view, markers.get(view.name)) for view in views)
        self.known_until = min(
            (known_until(view, markers.get(view.name)) for view in views), default=math.inf
        )

    def answers(self, inputs: Sequence[ModelInput | None]) -> list[Answer | None]:
        """The model's answers, one run for all; None for an input that cannot be put in numbers.

        Raises:
            ScoringError: the graph fails.
        """
        columns, model = self.columns, self._model
        size, pack_row = columns.row_bytes, columns.pack
        buffer = model.graph.room(len(inputs))
        answers: list[Answer | None] = [None] * len(inputs)
        packed: list[int] = []
        end = 0
        for place, one in enumerate(inputs):
            if one is not None and pack_row(buffer, end, *one):
                packed.append(place)
                end += size
        try:
            scores = model.probabilities(len(packed))
        except ArtifactError as error:
            raise ScoringError(f"{self.version}: {error}") from error
        version, start = self.version, 0
        for place, score in zip(packed, scores, strict=True):
            if score is not None:
                answers[place] = Answer(version, score, pack(buffer[start : start + size]))
            start += size
        return answers
