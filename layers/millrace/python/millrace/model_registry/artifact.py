"""A registered model: the ONNX graph and the card that describes it. No I/O, no numpy.

In the lake `models/<org>/<model>/<version>/` holds `model.onnx` and `model.json`. The graph takes `X`, float32
[n, features], and answers `score`, float [n] or [n, 1]: the probability of fraud before calibration.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any

import orjson

from millrace.core.errors import PermanentError
from millrace.core.prefixes import MODELS
from millrace.model_registry import strict

ONNX_FILE, CARD_FILE = "model.onnx", "model.json"
ALGORITHMS = ("logistic_regression", "random_forest", "gradient_boosting")
# How far another machine's score of a golden row may be from the card's.
TOLERANCE = 1e-4
FEWEST_GOLDEN, MOST_GOLDEN = 3, 8
# Scores of 0 and 1 have no logit.
EDGE = 1e-6


class ArtifactError(PermanentError):
    """The artifact may not be served; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt's scaling: p = 1 / (1 + exp(-(slope * logit(score) + intercept))). The slope is above 0, so order stays."""

    slope: float
    intercept: float

    def __call__(self, score: float) -> float:
        """The probability of a score between 0 and 1; training and serving call this very function.

        Raises:
            ArtifactError: the score is NaN.
        """
        if math.isnan(score):
            raise ArtifactError("a score is NaN")
        clipped = min(max(score, EDGE), 1 - EDGE)
        odds = self.slope * math.log(clipped / (1 - clipped)) + self.intercept
        if odds >= 0:
            return 1 / (1 + math.exp(-odds))
        # The same value; exp of a large number would overflow.
        raised = math.exp(odds)
        return raised / (1 + raised)


@dataclass(frozen=True, slots=True)
class ViewPin:
    """The definition of a feature view that the model was trained on."""

    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Golden:
    """A row and the model's score of it.

    Attributes:
        inputs: as float32, in the order of the card's features.
        score: the calibrated probability.
    """

    inputs: tuple[float, ...]
    score: float


@dataclass(frozen=True, slots=True)
class GateResult:
    """One figure of held-out time against its least value."""

    name: str
    least: float
    value: float
    passed: bool


@dataclass(frozen=True, slots=True)
class Days:
    """The split, as ISO days, the first and the last included."""

    train: tuple[str, str]
    delay_days: int = field(metadata={"json": "delayDays"})
    test: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows; `frauds` by `train` and `test`."""

    train: int
    test: int
    frauds: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The description of a model; `model.json`.

    Attributes:
        model: what it is for, `fraud`.
        algorithm: one of `ALGORITHMS`.
        org: the tenant whose data trained it, the only one that it serves.
        features: references `view:feature`, in the order of the graph's columns.
        views: every view that is read for them, those behind derived features included.
        calibration: from the graph's score to a probability.
        threshold: the probability from which on a transaction is called fraud.
        onnx_sha256: of `model.onnx`, in hexadecimal.
        onnx_bytes: its size.
        golden: rows whose scores prove on any machine that the model is the registered one.
        metrics: on held-out time.
        gates: likewise; all must be passed before it is deployed.
        importances: by feature, greatest first.
        split: the days.
        rows: how many were seen.
        sources: table → snapshot that was read; None where the table was empty.
        data: `lake`, or `file:<sha256>` of the uploaded files.
        run_id: of the training run.
        code_version: of the code that trained.
        libraries: name → version of what trained.
    """

    model: str
    algorithm: str
    org: str
    features: tuple[str, ...]
    views: Mapping[str, ViewPin]
    calibration: Calibration
    threshold: float
    onnx_sha256: str
    onnx_bytes: int
    golden: tuple[Golden, ...]
    metrics: Mapping[str, float]
    gates: tuple[GateResult, ...]
    importances: Mapping[str, float]
    split: Days
    rows: Counts
    sources: Mapping[str, int | None]
    data: str
    run_id: str
    code_version: str
    libraries: Mapping[str, str]

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise ArtifactError(f"the model card: {problem}")

    @property
    def passed(self) -> bool:
        """Whether it may be deployed."""
        return all(gate.passed for gate in self.gates)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        document: dict[str, Any] = strict.encode(self)
        return document

    @classmethod
    def from_json(cls, document: Any) -> "ModelCard":
        """The card that `to_json` wrote; no field may be missing or unknown.

        Raises:
            ArtifactError: the document is not a model card.
        """
        try:
            return strict.decode(cls, document, "model.json")
        except strict.ShapeError as error:
            raise ArtifactError(str(error)) from None


def write(card: ModelCard) -> bytes:
    """The bytes of `model.json`; the alias names their hash."""
    return orjson.dumps(card.to_json(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def read(text: bytes) -> ModelCard:
    """The card in `model.json`.

    Raises:
        ArtifactError: the text is not a model card.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ArtifactError(f"model.json is not JSON: {error}") from None
    return ModelCard.from_json(document)


def version_name(number: int) -> str:
    """`00000001`: versions sort as texts."""
    if not 0 < number < 10**8:
        raise ArtifactError(f"{number} is not a version of a model")
    return f"{number:08d}"


def prefix(org: str, model: str, version: str) -> str:
    """A version's folder in the lake, with a slash at the end."""
    return f"{MODELS}{org}/{model}/{version}/"


def fingerprint(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return sha256(content).hexdigest()


def verify(card: ModelCard, onnx: bytes) -> None:
    """Refuses a graph that is not the card's.

    Raises:
        ArtifactError: its size or its hash differs.
    """
    if len(onnx) != card.onnx_bytes:
        raise ArtifactError(f"model.onnx has {len(onnx)} bytes, its card says {card.onnx_bytes}")
    digest = fingerprint(onnx)
    if digest != card.onnx_sha256:
        raise ArtifactError(f"model.onnx has the hash {digest}, its card says {card.onnx_sha256}")


def verify_golden(card: ModelCard, scores: Sequence[float]) -> None:
    """Refuses a model that scores its golden rows otherwise here than where it was trained.

    Args:
        card: of the model.
        scores: the graph's scores of the card's golden rows, in their order, before calibration.

    Raises:
        ArtifactError: a score is off by more than `TOLERANCE`, or not every row has one.
    """
    if len(scores) != len(card.golden):
        raise ArtifactError(f"{len(scores)} answers to {len(card.golden)} golden rows")
    for place, (row, score) in enumerate(zip(card.golden, scores, strict=True)):
        probability = card.calibration(float(score))
        if abs(probability - row.score) > TOLERANCE:
            raise ArtifactError(
                f"golden row {place} is scored {probability:.6f} here, its card says {row.score:.6f}"
            )


def _problems(card: ModelCard) -> list[str]:
    wrong = [
        (not card.model or not card.org, "the model and its tenant have names"),
        (card.algorithm not in ALGORITHMS, f"there is no algorithm {card.algorithm}"),
        (not card.features, "there is no feature"),
        (len(set(card.features)) != len(card.features), "a feature stands there twice"),
        (
            any(one.partition(":")[0] not in card.views for one in card.features),
            "a feature's view is not pinned",
        ),
        (card.calibration.slope <= 0, "the slope of the calibration is above 0"),
        (not 0 <= card.threshold <= 1, "the threshold is a probability"),
        (not _is_hash(card.onnx_sha256), "onnx_sha256 is not a SHA-256"),
        (card.onnx_bytes <= 0, "onnx_bytes is above 0"),
        (
            not FEWEST_GOLDEN <= len(card.golden) <= MOST_GOLDEN,
            f"there are {FEWEST_GOLDEN} to {MOST_GOLDEN} golden rows",
        ),
        (any(len(row.inputs) != len(card.features) for row in card.golden), "a golden row has other columns"),
        (any(not 0 <= row.score <= 1 for row in card.golden), "a golden score is a probability"),
        (not card.gates, "there is no gate"),
        (
            any(gate.passed != (gate.value >= gate.least) for gate in card.gates),
            "a gate contradicts its figures",
        ),
        (not set(card.importances) <= set(card.features), "an importance is of no feature"),
        (not all(map(_is_day, (*card.split.train, *card.split.test))), "a day of the split is not a day"),
        (card.data != "lake" and not _is_file(card.data), "data is lake or file:<sha256>"),
    ]
    return [text for is_wrong, text in wrong if is_wrong]


def _is_hash(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def _is_file(text: str) -> bool:
    return text.startswith("file:") and _is_hash(text.removeprefix("file:"))


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
