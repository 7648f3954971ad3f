"""Training sets built of one tenant's transactions and another's, each in files of its own."""

import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from millrace.contracts import registry
from millrace.contracts.columns import duckdb_type
from millrace.core.objects import Objects
from millrace.features import views as feature_views
from millrace.lake.duck import connect
from millrace.lake.sources import NOBODY, LeftOut
from millrace.runs.documents import Input, InputFile, Sources
from millrace.training.channel import TrainingRequest
from millrace.training.training_set import TrainingSet, TrainingSetBuilder, TrainingSetRequest
from tests.support.stores import MemoryS3

FACTS = "marts.fct_transactions"
TODAY = date(2026, 11, 22)
RUN = "train_model-org_acme-20261122-1"
REQUEST = TrainingSetRequest(RUN, "org_acme", "fraud")
Row = dict[str, Any]


class FolderBuilder(TrainingSetBuilder):
    """Reads the uploaded files from a folder, so that DuckDB needs no S3."""

    folder: Path

    def _files(self, location: str) -> list[str]:
        return sorted(str(path) for path in self.folder.glob("*.parquet"))


class Stage:
    """One tenant's transactions and another's, each in files of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.s3 = folder, MemoryS3()
        self.tables = registry.load().tables()
        self.views = feature_views.load()
        self.files: list[InputFile] = []
        self.uploads = folder / "uploads"
        self.uploads.mkdir()
        # Tenant → the people nothing is learned from.
        self.left_out: dict[str, LeftOut] = {}

    def keep(self, org: str, rows: list[Row]) -> None:
        path = self.folder / f"{org}-{len(self.files)}.parquet"
        kinds = {column.name: duckdb_type(column.type) for column in self.tables[FACTS].columns}
        names = (
            "org_id",
            "transaction_id",
            "event_id",
            "event_time",
            "user_id",
            "amount",
            "merchant",
            "is_fraud",
        )
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            table = pa.Table.from_pylist([{name: row[name] for name in names} for row in rows])
            connection.register("given", table)
            chosen = ", ".join(f"CAST({name} AS {kinds[name]}) AS {name}" for name in names)
            connection.execute(f"COPY (SELECT {chosen} FROM given) TO '{path}' (FORMAT parquet)")
        self.files.append(InputFile(str(path), org, None, len(rows)))

    def sources(self) -> Sources:
        inputs = tuple(
            Input(
                name,
                7 if name == FACTS else None,
                tuple((column.name, duckdb_type(column.type)) for column in self.tables[name].columns),
                tuple(self.files) if name == FACTS else (),
            )
            for name in self.views.sources()
        )
        return Sources(RUN, f"{TODAY}T10:06:00.000Z", inputs)

    def build(self, request: TrainingSetRequest = REQUEST, sources: Sources | None = None) -> TrainingSet:
        with connect(memory_mb=500, threads=2, temp_dir=self.folder) as connection:
            builder = FolderBuilder(
                connection,
                Objects(self.s3, "lake"),
                self.views,
                self.tables,
                lambda org: self.left_out.get(org, NOBODY),
            )
            builder.folder = self.uploads
            return builder.build(request, sources or self.sources())

    def rows(self, org: str = "org_acme") -> list[Row]:
        body = Objects(self.s3, "lake").get(f"processed/ml-datasets/org={org}/{RUN}/train/rows.parquet")
        rows: list[Row] = pq.read_table(io.BytesIO(body)).to_pylist()
        return rows

    def request(self, org: str = "org_acme") -> TrainingRequest:
        return TrainingRequest.from_json(
            Objects(self.s3, "lake").get(f"processed/ml-datasets/org={org}/{RUN}/train/training.json")
        )


def transaction(at: datetime, user: int = 1, **more: Any) -> Row:
    number = f"{at:%Y%m%d%H%M%S%f}-{user}"
    return {
        "org_id": "org_acme",
        "transaction_id": number,
        "event_id": number,
        "event_time": at,
        "user_id": user,
        "amount": 10.0,
        "merchant": "m1",
        "is_fraud": False,
        **more,
    }


def history(org: str = "org_acme", *, days: int = 30, a_day: int = 20, seed: int = 1) -> list[Row]:
    """So many whole days before today, one transaction in ten a fraud."""
    rng = Random(seed)
    midnight = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC)
    return [
        transaction(
            midnight - timedelta(days=back) + timedelta(seconds=rng.randrange(86_400)),
            rng.randrange(1, 9),
            org_id=org,
            amount=float(rng.randrange(1, 300)),
            merchant=f"m{rng.randrange(4)}",
            is_fraud=number % 10 == 0,
            transaction_id=f"{org}-{back}-{number}",
            event_id=f"{org}-{back}-{number}",
        )
        for back in range(1, days + 1)
        for number in range(a_day)
    ]
