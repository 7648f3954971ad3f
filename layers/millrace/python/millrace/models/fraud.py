"""The fraud model: what it is told of a transaction."""

import numpy as np
import pyarrow as pa

from millrace.features.registry import Views
from millrace.models.dataset import Dataset
from millrace.models.errors import TrainingError

VIEWS = ("transaction_features", "merchant_features", "merchant_risk")
LABEL, CARD, MOMENT = "is_fraud", "user_id", "event_timestamp"


def features(views: Views) -> tuple[str, ...]:
    """References to all of them. The label is none, nor is anything that is known only with it."""
    return tuple(f"{name}:{feature}" for name in VIEWS for feature in views.view(name).features)


def rows(table: pa.Table, views: Views) -> Dataset:
    """The answer of `get_historical_features(…, full_feature_names=True)` as rows to train on.

    Args:
        table: with `is_fraud`, `user_id` (a whole number) and `event_timestamp` beside the features.
        views: the features are those of `features(views)`.

    Raises:
        TrainingError: a label is null.
    """
    if table[LABEL].null_count:
        raise TrainingError(f"{table[LABEL].null_count} rows have no label")
    names = tuple(reference.replace(":", "__") for reference in features(views))
    values = np.column_stack([table[name].cast(pa.float64()).to_numpy() for name in names])
    moments = table[MOMENT]
    moments = moments.cast(pa.timestamp("us", tz=moments.type.tz)).cast(pa.int64())
    order = np.argsort(moments.to_numpy(), kind="stable")
    return Dataset(
        names,
        values[order],
        table[LABEL].cast(pa.int8()).cast(pa.int64()).to_numpy()[order],
        table[CARD].cast(pa.int64()).to_numpy()[order],
        moments.to_numpy()[order],
    )
