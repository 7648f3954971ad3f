"""Builds a training set: each labelled transaction with the features that a decision would have seen."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from millrace import __version__
from millrace.contracts.tables import LakeTable
from millrace.core import clock
from millrace.core.errors import PermanentError
from millrace.features.offline import EVENT_TIMESTAMP, FeatureStore
from millrace.features.registry import Views
from millrace.model_registry.artifact import ViewPin
from millrace.model_registry.rows import check_names
from millrace.runs.documents import Sources
from millrace.training import fraud_model, request, transactions
from millrace.training.locations import Channel, digest_of, folder, train
from millrace.training.periods import Split, first_needed
from millrace.training.split import NotEnoughError, as_asked, by_what_there_is

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

KNOWN_AT = "known_at"


@dataclass(frozen=True, slots=True)
class Asked:
    """A training set that is asked for.

    Attributes:
        run: the training run.
        org: the tenant.
        model: `fraud`.
        split: the days, as a caller writes them; None chooses by what there is.
        data: a folder of files to train on instead of the lake's tables.
    """

    run: str
    org: str
    model: str
    split: Mapping[str, Any] | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """A training set that is there. `rows` and `frauds` are those of the days that train and that judge."""

    train: str
    output: str
    split: Split
    rows: int
    frauds: int


class TrainingSets:
    """Builds training sets over a connection of its own."""

    def __init__(
        self,
        connection: "DuckDBPyConnection",
        channel: Channel,
        views: Views,
        tables: Mapping[str, LakeTable],
    ) -> None:
        """Args of note.

        Args:
            connection: of lake/duck.py.
            channel: where the set is written.
            views: the feature views.
            tables: every table's contract.
        """
        self._connection, self._channel, self._views, self._tables = connection, channel, views, tables

    def build(self, asked: Asked, sources: Sources) -> Built:
        """Writes `rows.parquet` and `training.json`; built again from the same sources they are the same.

        Raises:
            NotEnoughError: there are too few days, or days without a fraud.
            PermanentError: what is asked for cannot be.
            MillraceError: the lake did not answer.
        """
        check_names(asked.org, asked.model)
        if asked.model != fraud_model.MODEL:
            raise PermanentError(f"there is no model {asked.model}; there is {fraud_model.MODEL}")
        data = self._open(asked, sources)
        split = self._split(asked, sources)
        rows, frauds = self._checked(split)
        features = fraud_model.features(self._views)
        key = train(asked.org, asked.run)
        self._channel.put(f"{key}{request.ROWS_FILE}", _parquet(self._rows(asked.org, split, features)))
        text = request.write(
            request.TrainingOrder(
                run_id=asked.run,
                org=asked.org,
                model=asked.model,
                features=features,
                views=self._pins(features),
                split=request.days(split),
                sources={one.table: one.snapshot for one in sources.inputs} if data == "lake" else {},
                data=data,
                code_version=__version__,
            )
        )
        # Last: a channel with an order is a whole one.
        self._channel.put(f"{key}{request.ORDER_FILE}", text)
        output = f"{folder(asked.org, asked.run)}output/"
        return Built(self._channel.url(key), self._channel.url(output), split, rows, frauds)

    def _open(self, asked: Asked, sources: Sources) -> str:
        """Opens what is trained on, and says what that is."""
        if asked.data is None:
            transactions.open_lake(self._connection, sources, asked.org)
            return "lake"
        digest = digest_of(asked.data, self._channel.bucket, asked.org)
        others = [self._tables[name] for name in self._views.sources() if name != transactions.FACTS]
        transactions.open_files(self._connection, self._channel.files(asked.data), others, asked.org)
        return f"file:{digest}"

    def _split(self, asked: Asked, sources: Sources) -> Split:
        ends = transactions.ends(self._connection)
        if ends is None:
            raise NotEnoughError(f"{asked.org} has no transaction in {transactions.FACTS}")
        if asked.split is not None:
            return as_asked(asked.split)
        # Files end when they end; the lake goes on.
        today: date = (
            clock.utc_day(clock.parse(sources.at)) if asked.data is None else ends[1] + timedelta(days=1)
        )
        return by_what_there_is(ends[0], today)

    def _checked(self, split: Split) -> tuple[int, int]:
        total, all_frauds = 0, 0
        for what, period in (("train on", split.train), ("judge by", split.test)):
            rows, frauds = transactions.counts(self._connection, period.first, period.last)
            if not rows:
                raise NotEnoughError(f"there is no transaction with a label in the days to {what}, {period}")
            if frauds in (0, rows):
                none = "no fraud" if frauds == 0 else "nothing but fraud"
                raise NotEnoughError(f"of {rows} transactions in the days to {what}, {period}, {none}")
            total, all_frauds = total + rows, all_frauds + frauds
        return total, all_frauds

    def _rows(self, org: str, split: Split, features: tuple[str, ...]) -> "pa.Table":
        frame = transactions.labelled(self._connection, first_needed(split), split.test.last)
        answer: pa.Table = FeatureStore(self._connection, self._views).get_historical_features(
            frame, features, timestamp=EVENT_TIMESTAMP, known_at=KNOWN_AT, full_feature_names=True, org=org
        )
        return answer.select(
            [*map(fraud_model.column, features), fraud_model.LABEL, fraud_model.CARD, fraud_model.MOMENT]
        )

    def _pins(self, features: tuple[str, ...]) -> dict[str, ViewPin]:
        references = self._views.references(features)
        read = {one.view for one in (*references, *self._views.aggregates(references))}
        found = {name: self._views.view(name) for name in sorted(read)}
        return {name: ViewPin(view.version, view.digest) for name, view in found.items()}


def _parquet(table: "pa.Table") -> bytes:
    import pyarrow.parquet as pq  # noqa: PLC0415  only where a set is built

    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()
