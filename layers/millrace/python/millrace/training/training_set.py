"""Builds a training set: each labelled transaction with the features that a decision would have seen."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from millrace import __version__
from millrace.contracts.tables import LakeTable
from millrace.core import clock
from millrace.core.errors import PermanentError
from millrace.core.objects import Objects
from millrace.features.offline import EVENT_TIMESTAMP, OfflineStore
from millrace.features.views import FeatureViews
from millrace.lake.sources import NOBODY, LeftOut
from millrace.model_registry.artifact import ViewPin
from millrace.model_registry.rows import check_names
from millrace.runs.documents import Sources
from millrace.training import channel, transactions
from millrace.training.channel import TrainingRequest
from millrace.training.errors import InsufficientDataError
from millrace.training.locations import digest_of, folder, key_of, train, url
from millrace.training.split import Split, default_split, first_needed, parse_split

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

KNOWN_AT = "known_at"


@dataclass(frozen=True, slots=True)
class TrainingSetRequest:
    """The training set to build.

    Attributes:
        run: the training run.
        org: the tenant.
        model: `fraud`.
        split: the days, as a caller writes them; None chooses them by the data's first and last day.
        data: a folder of files to train on instead of the lake's tables.
    """

    run: str
    org: str
    model: str
    split: Mapping[str, Any] | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """A training set that was built.

    Attributes:
        train: URL of the channel's folder.
        output: URL of the folder for the job's output.
        split: the days.
        rows: labelled transactions of the training and the test days.
        frauds: frauds among them.
    """

    train: str
    output: str
    split: Split
    rows: int
    frauds: int


class TrainingSetBuilder:
    """Builds training sets over a connection of its own."""

    def __init__(
        self,
        connection: "DuckDBPyConnection",
        lake: Objects,
        views: FeatureViews,
        tables: Mapping[str, LakeTable],
        left_out: Callable[[str], LeftOut] = lambda _: NOBODY,
    ) -> None:
        """Joins what it reads and writes with.

        Args:
            connection: of lake/duck.py.
            lake: where the set is written.
            views: the feature views.
            tables: every table's contract.
            left_out: of a tenant, the people whose rows nothing is learned from.
        """
        self._left_out = left_out
        self._connection, self._lake, self._views, self._tables = connection, lake, views, tables

    def build(self, request: TrainingSetRequest, sources: Sources) -> TrainingSet:
        """Writes `rows.parquet` and `training.json`; the same sources and consents make the same bytes.

        Raises:
            InsufficientDataError: there are too few days, or days without a fraud.
            PermanentError: the request names no such model, days or data.
            MillraceError: the lake did not answer.
        """
        check_names(request.org, request.model)
        if request.model != channel.MODEL:
            raise PermanentError(f"there is no model {request.model}; there is {channel.MODEL}")
        data = self._open(request, sources)
        split = self._split(request, sources)
        rows, frauds = self._count(split)
        features = channel.features(self._views)
        key = train(request.org, request.run)
        self._lake.put(f"{key}{channel.ROWS_FILE}", _parquet(self._rows(request.org, split, features)))
        job_request = TrainingRequest(
            run_id=request.run,
            org=request.org,
            model=request.model,
            features=features,
            views=self._pins(features),
            split=channel.days(split),
            sources={one.table: one.snapshot for one in sources.inputs} if data == "lake" else {},
            data=data,
            code_version=__version__,
        )
        # Last: a channel with a request is complete.
        self._lake.put(f"{key}{channel.REQUEST_FILE}", job_request.to_json())
        bucket, output = self._lake.bucket, f"{folder(request.org, request.run)}output/"
        return TrainingSet(url(bucket, key), url(bucket, output), split, rows, frauds)

    def _open(self, request: TrainingSetRequest, sources: Sources) -> str:
        """Opens the transactions to train on; returns `lake` or `file:<sha256>`."""
        if request.data is None:
            transactions.open_lake(self._connection, sources, request.org, self._left_out(request.org))
            return "lake"
        digest = digest_of(request.data, self._lake.bucket, request.org)
        others = [self._tables[name] for name in self._views.sources() if name != transactions.FACTS]
        transactions.open_files(self._connection, self._files(request.data), others, request.org)
        return f"file:{digest}"

    def _files(self, location: str) -> list[str]:
        bucket = self._lake.bucket
        keys = (one.key for one in self._lake.list_objects(key_of(location, bucket)))
        return [url(bucket, key) for key in keys if key.endswith(".parquet")]

    def _split(self, request: TrainingSetRequest, sources: Sources) -> Split:
        ends = transactions.ends(self._connection)
        if ends is None:
            raise InsufficientDataError(f"{request.org} has no transaction in {transactions.FACTS}")
        if request.split is not None:
            return parse_split(request.split)
        # Files end on their last day; the lake's last day is not complete.
        today: date = (
            clock.utc_day(clock.parse(sources.at)) if request.data is None else ends[1] + timedelta(days=1)
        )
        return default_split(ends[0], today)

    def _count(self, split: Split) -> tuple[int, int]:
        """Labelled transactions and frauds of the training and the test days; refuses days that cannot be learned from."""
        total, all_frauds = 0, 0
        for what, period in (("train on", split.train), ("judge by", split.test)):
            rows, frauds = transactions.counts(self._connection, period.first, period.last)
            if not rows:
                raise InsufficientDataError(
                    f"there is no transaction with a label in the days to {what}, {period}"
                )
            if frauds in (0, rows):
                none = "no fraud" if frauds == 0 else "nothing but fraud"
                raise InsufficientDataError(f"of {rows} transactions in the days to {what}, {period}, {none}")
            total, all_frauds = total + rows, all_frauds + frauds
        return total, all_frauds

    def _rows(self, org: str, split: Split, features: tuple[str, ...]) -> "pa.Table":
        frame = transactions.labelled(self._connection, first_needed(split), split.test.last)
        answer: pa.Table = OfflineStore(self._connection, self._views).get_historical_features(
            frame, features, timestamp=EVENT_TIMESTAMP, known_at=KNOWN_AT, full_feature_names=True, org=org
        )
        return answer.select([*map(channel.column, features), channel.LABEL, channel.CARD, channel.MOMENT])

    def _pins(self, features: tuple[str, ...]) -> dict[str, ViewPin]:
        references = self._views.references(features)
        read = {one.view for one in (*references, *self._views.aggregates(references))}
        views = {name: self._views.view(name) for name in sorted(read)}
        return {name: ViewPin(view.version, view.digest) for name, view in views.items()}


def _parquet(table: "pa.Table") -> bytes:
    import pyarrow.parquet as pq  # noqa: PLC0415  only where a set is built

    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()
