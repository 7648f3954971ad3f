"""A training set as a table, made into rows to train on."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from millrace.training.dataset import Dataset, as_served
from millrace.training.errors import TrainingError
from millrace.training.fraud_model import CARD, LABEL, MOMENT, column


def rows(table: pa.Table, features: Sequence[str]) -> Dataset:
    """The answer of `get_historical_features(…, full_feature_names=True)` in the order of time, rounded to float32.

    Args:
        table: with `is_fraud`, `user_id` (a whole number) and `event_timestamp` beside the features.
        features: references `view:feature`, the order of the columns.

    Raises:
        TrainingError: a column is missing or of no such kind, or a value is null.
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
    return Dataset(
        names,
        as_served(values[order]),
        _numbers(table, LABEL, pa.int8(), pa.int64())[order],
        _numbers(table, CARD, pa.int64())[order],
        at[order],
    )


def _numbers(table: pa.Table, name: str, *kinds: pa.DataType) -> np.ndarray:
    found = table[name]
    try:
        for kind in kinds:
            found = found.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise TrainingError(f"the training set's {name} is {table[name].type}: {error}") from None
    numbers: np.ndarray = found.to_numpy()
    return numbers
