"""The folder that a training job reads: `training.json` and `rows.parquet`."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from millrace.training import dataset
from millrace.training import request as order
from millrace.training.dataset import Dataset
from millrace.training.errors import TrainingError
from millrace.training.fraud_model import CARD, LABEL, MOMENT, column
from millrace.training.request import ORDER_FILE, ROWS_FILE, TrainingOrder
from millrace.training.rows import rows


@dataclass(frozen=True, slots=True)
class Channel:
    """What is asked for, and the rows."""

    order: TrainingOrder
    data: Dataset


def read(folder: Path) -> Channel:
    """Reads the folder and refuses what no model can be made of, before any time goes into one.

    Raises:
        TrainingError: a file is missing or broken, its columns are not those that are ordered, or the training or the test
            days cannot be learned from.
    """
    asked = order.read(_file(folder, ORDER_FILE).read_bytes())
    split = asked.days()
    data = rows(_table(_file(folder, ROWS_FILE), asked), asked.features)
    if len(data) and dataset.first_day(data) > split.train.first:
        raise TrainingError(
            f"the rows begin on {dataset.first_day(data)}, and training on {split.train.first} needs those of that day"
        )
    dataset.check(dataset.trained_on(data, split), f"training days {split.train}")
    dataset.check(dataset.judged_on(data, split), f"test days {split.test}")
    return Channel(asked, data)


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise TrainingError(f"the training channel has no {name}")
    return path


def _table(path: Path, asked: TrainingOrder) -> pa.Table:
    known = {*map(column, asked.features), LABEL, CARD, MOMENT}
    try:
        with pq.ParquetFile(path) as file:
            others = sorted(name for name in file.schema_arrow.names if "__" in name and name not in known)
            if others:
                raise TrainingError(
                    f"{ROWS_FILE} has features that {ORDER_FILE} does not name: {', '.join(others)}"
                )
            return file.read(columns=sorted(known))
    except pa.ArrowException as error:
        raise TrainingError(f"{ROWS_FILE} cannot be read: {error}") from None
