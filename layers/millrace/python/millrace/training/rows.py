"""A training job's channel read from its folder: the request, and the rows as a dataset."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from millrace.training import dataset
from millrace.training.channel import (
    CARD,
    LABEL,
    MOMENT,
    REQUEST_FILE,
    ROWS_FILE,
    TrainingRequest,
    column,
)
from millrace.training.dataset import LabelledRows, as_served
from millrace.training.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Channel:
    """The request, and the rows."""

    request: TrainingRequest
    data: LabelledRows


def read(folder: Path) -> Channel:
    """Reads the folder and refuses rows that no model can be made of, before any time goes into training.

    Raises:
        TrainingError: a file is missing or broken, its columns are not those of the request, or the training or the test
            days cannot be learned from.
    """
    request = TrainingRequest.from_json(_file(folder, REQUEST_FILE).read_bytes())
    split = request.days()
    data = to_dataset(_table(_file(folder, ROWS_FILE), request), request.features)
    if len(data) and dataset.first_day(data) > split.train.first:
        raise TrainingError(
            f"the rows begin on {dataset.first_day(data)}, and training on {split.train.first} needs those of that day"
        )
    dataset.check(dataset.trained_on(data, split), f"training days {split.train}")
    dataset.check(dataset.judged_on(data, split), f"test days {split.test}")
    return Channel(request, data)


def to_dataset(table: pa.Table, features: Sequence[str]) -> LabelledRows:
    """The answer of `get_historical_features(…, full_feature_names=True)` in the order of time, rounded to float32.

    Args:
        table: with `is_fraud`, `user_id` (a whole number) and `event_timestamp` beside the features.
        features: references `view:feature`, the order of the columns.

    Raises:
        TrainingError: a column is missing or of another type, or a value is null.
    """
    names = tuple(map(column, features))
    if missing := [name for name in (*names, LABEL, CARD, MOMENT) if name not in table.column_names]:
        raise TrainingError(f"the training set has no column {', '.join(missing)}")
    if empty := [name for name in (*names, LABEL, CARD, MOMENT) if table[name].null_count]:
        raise TrainingError(f"the training set has nulls in {', '.join(empty)}")
    values = np.column_stack([_numbers(table, name, pa.float64()) for name in names])
    moments = table[MOMENT].type
    if not pa.types.is_timestamp(moments):
        raise TrainingError(f"the training set's {MOMENT} is {moments}, not a timestamp")
    at = _numbers(table, MOMENT, pa.timestamp("us", tz=moments.tz), pa.int64())
    order = np.argsort(at, kind="stable")
    return LabelledRows(
        names,
        as_served(values[order]),
        _numbers(table, LABEL, pa.int8(), pa.int64())[order],
        _numbers(table, CARD, pa.int64())[order],
        at[order],
    )


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise TrainingError(f"the training channel has no {name}")
    return path


def _table(path: Path, request: TrainingRequest) -> pa.Table:
    known = {*map(column, request.features), LABEL, CARD, MOMENT}
    try:
        with pq.ParquetFile(path) as file:
            others = sorted(name for name in file.schema_arrow.names if "__" in name and name not in known)
            if others:
                raise TrainingError(
                    f"{ROWS_FILE} has features that {REQUEST_FILE} does not name: {', '.join(others)}"
                )
            return file.read(columns=sorted(known))
    except pa.ArrowException as error:
        raise TrainingError(f"{ROWS_FILE} cannot be read: {error}") from None


def _numbers(table: pa.Table, name: str, *types: pa.DataType) -> np.ndarray:
    values = table[name]
    try:
        for kind in types:
            values = values.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TrainingError(f"the training set's {name} is {table[name].type}: {error}") from None
    numbers: np.ndarray = values.to_numpy()
    return numbers
