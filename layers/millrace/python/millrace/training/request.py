"""What a training job is asked for: `training.json` beside the rows. No numpy: what builds the rows writes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import orjson

from millrace.model_registry import strict
from millrace.model_registry.artifact import Days, ViewPin
from millrace.training.errors import TrainingError
from millrace.training.periods import Period, Split

ORDER_FILE, ROWS_FILE = "training.json", "rows.parquet"


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """The part of a model's card that is known before there is a model; the fields mean what the card's do."""

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
            TrainingError: it is none: a day that is no day, a test before the labels are known.
        """
        try:
            train, test = (
                Period(*map(date.fromisoformat, days)) for days in (self.split.train, self.split.test)
            )
        except ValueError as error:
            raise TrainingError(f"{ORDER_FILE}: split: {error}") from None
        return Split(train, self.split.delay_days, test)


def days(split: Split) -> Days:
    """The split as `training.json` and the card write it."""
    train, test = split.train, split.test
    return Days(
        (train.first.isoformat(), train.last.isoformat()),
        split.delay_days,
        (test.first.isoformat(), test.last.isoformat()),
    )


def write(order: TrainingOrder) -> bytes:
    """The bytes of `training.json`."""
    return orjson.dumps(strict.encode(order), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def read(text: bytes) -> TrainingOrder:
    """What `write` wrote.

    Raises:
        TrainingError: it is no such document.
    """
    try:
        document: Any = orjson.loads(text)
        return strict.decode(TrainingOrder, document, ORDER_FILE)
    except orjson.JSONDecodeError as error:
        raise TrainingError(f"{ORDER_FILE} is no JSON: {error}") from None
    except strict.ShapeError as error:
        raise TrainingError(str(error)) from None
