"""Channels that are refused before any time goes into training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from millrace.training import rows
from millrace.training.dataset import DAY_US, number
from millrace.training.errors import TrainingError
from tests.support import training


def test_a_channel_is_its_request_and_its_rows(tmp_path: Path) -> None:
    found = rows.read(training.write(tmp_path))
    assert found.request.org == "shop_a"
    assert found.data.names == training.NAMES
    assert len(found.data) == 4200
    assert (found.data.values == found.data.values.astype(np.float32)).all()


def changed(**columns: Any) -> dict[str, Any]:
    return {**training.columns(), **columns}


def spoilt(value: float) -> Any:
    values = training.columns()["merchant_features__noise"]
    values[2500] = value
    return values


def without_fraud(first: int, last: int) -> dict[str, Any]:
    made = training.columns()
    days = made["event_timestamp"] // DAY_US - number(training.START)
    made["is_fraud"] = np.where((days >= first) & (days <= last), False, made["is_fraud"])
    return made


def shortened(**limits: int) -> dict[str, Any]:
    made = training.columns()
    days = made["event_timestamp"] // DAY_US - number(training.START)
    kept = (days >= limits.get("first", 0)) & (days <= limits.get("last", 99))
    return {name: column[kept] for name, column in made.items()}


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (changed(merchant_features__noise=None), "cannot be read|no column merchant_features__noise"),
        (changed(is_fraud=None), "no column is_fraud"),
        (changed(user_features__other=np.zeros(4200)), "does not name: user_features__other"),
        (changed(merchant_features__noise=spoilt(float("nan"))), "noise has values that are NaN"),
        (changed(merchant_features__noise=spoilt(float("inf"))), "noise has values that are NaN or infinite"),
        (changed(merchant_features__noise=spoilt(1e300)), "noise has values that are NaN or infinite"),
        (without_fraud(21, 27), r"training days .* no fraud"),
        (without_fraud(35, 41), r"test days .* no fraud"),
        (changed(is_fraud=np.ones(4200, dtype=bool)), "are fraud"),
        (shortened(first=23), "the rows begin on 2018-07-24, and training on 2018-07-22"),
        (shortened(last=30), "test days .* no rows"),
        (shortened(last=-1), "no rows"),
    ],
)
def test_rows_that_make_no_model_are_refused(tmp_path: Path, made: dict[str, Any], says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        rows.read(training.write(tmp_path, made))


@pytest.mark.parametrize("name", ["training.json", "rows.parquet"])
def test_a_missing_or_empty_file_is_named(tmp_path: Path, name: str) -> None:
    training.write(tmp_path)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(TrainingError, match=name):
        rows.read(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(TrainingError, match=f"has no {name}"):
        rows.read(tmp_path)


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = training.write(tmp_path) / "rows.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(TrainingError, match=r"rows\.parquet cannot be read"):
        rows.read(tmp_path)


def test_labels_that_are_known_too_late_are_refused(tmp_path: Path) -> None:
    late = training.request(split={**training.request()["split"], "delayDays": 8})
    with pytest.raises(TrainingError, match="labels of"):
        rows.read(training.write(tmp_path, None, late))
