"""The channel of a training job: `training.json` and `rows.parquet`, and their columns. No numpy: the builder writes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import orjson

from millrace.features.views import FeatureViews
from millrace.model_registry import strict
from millrace.model_registry.artifact import Days, ViewPin
from millrace.training.errors import TrainingError
from millrace.training.split import Period, Split

REQUEST_FILE, ROWS_FILE = "training.json", "rows.parquet"
MODEL = "fraud"
# The views that the fraud model reads.
VIEWS = ("transaction_features", "merchant_features", "merchant_risk")
# Columns of the rows beside the features: 1 or true is fraud, a whole number names a user.
LABEL, CARD, MOMENT = "is_fraud", "user_id", "event_timestamp"


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """The part of a model's card that is known before there is a model; the fields have the card's meaning."""

    run_id: str = field(metadata={"json": "runId"})
    org: str
    model: str
    features: tuple[str, ...]
    views: Mapping[str, ViewPin]
    split: Days
    sources: Mapping[str, int | None]
    data: str
    code_version: str = field(metadata={"json": "codeVersion"})

    def days(self) -> Split:
        """The split as days.

        Raises:
            TrainingError: a day is not a date, or the test begins before the labels are known.
        """
        try:
            train, test = (
                Period(*map(date.fromisoformat, days)) for days in (self.split.train, self.split.test)
            )
        except ValueError as error:
            raise TrainingError(f"{REQUEST_FILE}: split: {error}") from None
        return Split(train, self.split.delay_days, test)

    def to_json(self) -> bytes:
        """The bytes of `training.json`."""
        return orjson.dumps(strict.encode(self), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def from_json(cls, text: bytes) -> "TrainingRequest":
        """The request that `to_json` wrote.

        Raises:
            TrainingError: the text is not such a document.
        """
        try:
            document: Any = orjson.loads(text)
            return strict.decode(cls, document, REQUEST_FILE)
        except orjson.JSONDecodeError as error:
            raise TrainingError(f"{REQUEST_FILE} is not JSON: {error}") from None
        except strict.ShapeError as error:
            raise TrainingError(str(error)) from None


def days(split: Split) -> Days:
    """The split as `training.json` and the card write it."""
    train, test = split.train, split.test
    return Days(
        (train.first.isoformat(), train.last.isoformat()),
        split.delay_days,
        (test.first.isoformat(), test.last.isoformat()),
    )


def features(views: FeatureViews) -> tuple[str, ...]:
    """References to every feature of the model. Neither the label nor anything that is known only with it is among them."""
    return tuple(f"{name}:{feature}" for name in VIEWS for feature in views.view(name).features)


def column(reference: str) -> str:
    """`view__feature`: the column of the feature `view:feature`."""
    return reference.replace(":", "__")
