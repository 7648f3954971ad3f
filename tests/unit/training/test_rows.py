"""The channel of a training job: the request, and the rows as a table."""

from datetime import date
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from millrace.training import channel
from millrace.training.channel import TrainingRequest
from millrace.training.errors import TrainingError
from millrace.training.rows import to_dataset
from millrace.training.split import Period, Split, first_needed, folds

FEATURES = ("transaction_features:amount", "merchant_risk:frauds_7d")
SPLIT = Split(Period(date(2018, 7, 25), date(2018, 7, 31)), 7, Period(date(2018, 8, 8), date(2018, 8, 14)))
REQUEST: dict[str, Any] = {
    "runId": "train_model-shop_a-1",
    "org": "shop_a",
    "model": "fraud",
    "features": list(FEATURES),
    "views": {"transaction_features": {"version": "1.0.0", "digest": "ab"}},
    "split": {"train": ["2018-07-25", "2018-07-31"], "delayDays": 7, "test": ["2018-08-08", "2018-08-14"]},
    "sources": {"marts.fct_transactions": 7, "silver.product_updated": None},
    "data": "lake",
    "codeVersion": "0.1.0",
}


def table(**changed: Any) -> pa.Table:
    columns = {
        "transaction_features__amount": [0.1, 2.0, 3.0],
        "merchant_risk__frauds_7d": pa.array([0, 1, 2], pa.int64()),
        "is_fraud": [True, False, True],
        "user_id": [7, 8, 9],
        "event_timestamp": pa.array([30, 10, 20], pa.timestamp("us", tz="UTC")),
        "merchant": ["a", "b", "c"],
    }
    return pa.table({name: column for name, column in {**columns, **changed}.items() if column is not None})


def test_rows_are_in_the_order_of_time_and_as_fine_as_float32() -> None:
    made = to_dataset(table(), FEATURES)
    assert made.names == ("transaction_features__amount", "merchant_risk__frauds_7d")
    assert made.moments.tolist() == [10, 20, 30]
    assert made.labels.tolist() == [0, 1, 1]
    assert made.cards.tolist() == [8, 9, 7]
    assert made.values.dtype == np.float64
    assert made.values[2, 0] == float(np.float32(0.1)) != 0.1
    assert made.values[:, 1].tolist() == [1, 2, 0]


def test_a_figure_that_float32_cannot_hold_is_infinite() -> None:
    made = to_dataset(table(transaction_features__amount=[1e39, 1.0, 2.0]), FEATURES)
    assert np.isinf(made.values).sum() == 1


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"is_fraud": None, "user_id": None}, "no column is_fraud, user_id"),
        ({"merchant_risk__frauds_7d": None}, "no column merchant_risk__frauds_7d"),
        ({"is_fraud": [True, None, False]}, "nulls in is_fraud"),
        ({"merchant_risk__frauds_7d": [0, None, 1]}, "nulls in merchant_risk__frauds_7d"),
        ({"transaction_features__amount": ["a", "b", "c"]}, "amount is string"),
        ({"user_id": ["a", "b", "c"]}, "user_id is string"),
        ({"event_timestamp": [1, 2, 3]}, "not a timestamp"),
    ],
)
def test_a_table_of_another_shape_is_refused(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        to_dataset(table(**changed), FEATURES)


def test_a_table_without_rows_makes_none() -> None:
    assert len(to_dataset(table().slice(0, 0), FEATURES)) == 0


def test_a_request_comes_back_as_it_was_written() -> None:
    read = TrainingRequest.from_json(orjson.dumps(REQUEST))
    assert orjson.loads(read.to_json()) == REQUEST
    assert read.days() == SPLIT
    assert channel.days(SPLIT) == read.split


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "not JSON"),
        (b"[]", "not an object"),
        (orjson.dumps({**REQUEST, "more": 1}), "unknown field more"),
        (orjson.dumps({key: value for key, value in REQUEST.items() if key != "features"}), "no features"),
    ],
)
def test_another_document_is_refused(text: bytes, says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        TrainingRequest.from_json(text)


@pytest.mark.parametrize(
    ("split", "says"),
    [
        ({"train": ["2018-07-25", "2018-07-32"]}, "split"),
        ({"train": ["2018-07-31", "2018-07-25"]}, "ends before it begins"),
        ({"delayDays": 8}, "labels of"),
    ],
)
def test_days_that_are_no_split_are_refused(split: dict[str, Any], says: str) -> None:
    read = TrainingRequest.from_json(orjson.dumps({**REQUEST, "split": {**REQUEST["split"], **split}}))
    with pytest.raises(TrainingError, match=says):
        read.days()


def test_the_first_needed_day_is_that_of_the_earliest_fold() -> None:
    since = first_needed(SPLIT)
    assert min(fold.train.first for fold in folds(SPLIT.train, 7, since=since)) == since
    assert len(folds(SPLIT.train, 7, since=since)) == 2
