"""A model that serves: its columns, its graph, its calibration, and the version that decisions name."""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from millrace.features.registry import Views
from millrace.features.rows import Marker
from millrace.model_registry import artifact
from millrace.model_registry.artifact import ArtifactError, ModelCard
from millrace.scoring.answer import DECIMALS, MODEL, Answer, pack, version_text
from millrace.scoring.columns import Columns
from millrace.scoring.errors import ScoringError
from millrace.scoring.online_rows import RowReader, Values, known_until


class Graph(Protocol):
    """What `scoring.session.Session` is."""

    def room(self, rows: int) -> bytearray:
        """A buffer of rows of float32."""
        ...

    def scores(self, rows: int) -> list[float]:
        """The answers to the first of them."""
        ...


class Question(NamedTuple):
    """A transaction that a model is asked about.

    Attributes:
        values: of each of the model's sources, by view.
        request: the transaction's payload.
        moment_us: when it happened, in microseconds since 1970.
    """

    values: Mapping[str, Values]
    request: Values
    moment_us: int


class Artifact(NamedTuple):
    """A registered model as the lake holds it."""

    card: bytes
    onnx: bytes


class Model:
    """A loaded artifact that has shown on its golden rows that it is what was registered."""

    def __init__(self, held: Artifact, card_sha256: str, *, org: str, version: str) -> None:
        """Checks the chain from the registry's hash over the card to the graph, and the golden rows.

        Args:
            held: what lies in the lake.
            card_sha256: of the card, as the registry says.
            org: the tenant; a model of another is none of its own.
            version: eight digits.

        Raises:
            ArtifactError: it is not what was registered, or does not answer here as it did there.
        """
        # Not before there is a model: it brings numpy and onnxruntime.
        from millrace.scoring.session import Session  # noqa: PLC0415

        found = artifact.fingerprint(held.card)
        if found != card_sha256:
            raise ArtifactError(f"model.json has the hash {found}, the registry says {card_sha256}")
        card = artifact.read(held.card)
        if (card.org, card.model) != (org, MODEL):
            raise ArtifactError(f"this is the model {card.model} of {card.org}")
        artifact.verify(card, held.onnx)
        self.card: ModelCard = card
        self.version, self.registered, self.card_sha256 = version_text(version), version, card_sha256
        self.graph: Graph = Session(held.onnx, len(card.features))
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

        None where the graph answers NaN, as a sum may that overflows: one such row costs the others nothing.

        Raises:
            ArtifactError: the graph fails.
        """
        calibrate = self._calibrate
        return [
            round(calibrate(score), DECIMALS) if score == score else None  # noqa: PLR0124  NaN alone differs from itself
            for score in self.graph.scores(rows)
        ]

    def again(self, inputs: bytes) -> float | None:
        """The served score of a row that a decision has recorded.

        Raises:
            ArtifactError: it is no row of this model.
        """
        if len(inputs) != 4 * len(self.card.features):
            raise ArtifactError(
                f"a row of this model has {4 * len(self.card.features)} bytes, not {len(inputs)}"
            )
        self.graph.room(1)[: len(inputs)] = inputs
        return self.probabilities(1)[0]


class Champion:
    """The model of a tenant that is in force, with the columns that it is given. One caller at a time."""

    def __init__(self, model: Model, views: Views) -> None:
        """Joins a model with the views of this deployment.

        Raises:
            ScoringError: it was trained on others.
        """
        self.version, self.registered, self.card_sha256 = model.version, model.registered, model.card_sha256
        self.org = model.card.org
        self.columns = Columns(model.card, views)
        self._model = model
        self.know({})

    def know(self, markers: Mapping[str, Marker | None]) -> None:
        """Takes note of until when what is known online is complete, and so may be used: `known_until`, seconds since 1970.

        Args:
            markers: of each source's view; one that is missing is not complete.
        """
        views = [source.view for source in self.columns.sources]
        self.readers = tuple(RowReader(view, markers.get(view.name)) for view in views)
        self.known_until = min(
            (known_until(view, markers.get(view.name)) for view in views), default=math.inf
        )

    def answers(self, questions: Sequence[Question | None]) -> list[Answer | None]:
        """What the model says, one run for all; None for a question that cannot be put in numbers.

        Raises:
            ScoringError: the graph fails.
        """
        columns, model = self.columns, self._model
        size, pack_row = columns.row_bytes, columns.pack
        buffer = model.graph.room(len(questions))
        found: list[Answer | None] = [None] * len(questions)
        asked: list[int] = []
        end = 0
        for place, question in enumerate(questions):
            if question is not None and pack_row(buffer, end, *question):
                asked.append(place)
                end += size
        try:
            scores = model.probabilities(len(asked))
        except ArtifactError as error:
            raise ScoringError(f"{self.version}: {error}") from error
        version, start = self.version, 0
        for place, score in zip(asked, scores, strict=True):
            if score is not None:
                found[place] = Answer(version, score, pack(buffer[start : start + size]))
            start += size
        return found
