"""Tables built through their functions on the emulator: silver as Iceberg in, marts and features as Iceberg out."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from millrace.contracts import registry
from millrace.contracts.tables import LakeTable
from millrace.core.objects import Objects
from millrace.iceberg import layout, tables
from millrace.iceberg.commit import Committer
from millrace.iceberg.tables import open_table
from millrace.lake.duck import S3Access, connect, parquet
from millrace.runs.documents import Committed, Part, Plan, RawObject, SilverBatch, Summary, TenantDay, Unit
from millrace.runs.store import RunStore
from millrace.warehouse import project as projects
from tests.support import silver
from tests.support.emulator import Lake
from tests.support.functions import function
from tests.support.silver import Row, Rows

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
ACME, GLOBEX = "org_acme", "org_globex"
FACTS, FEATURES = "marts.fct_transactions", "ml_features.merchant_features"
SILVER = "silver.transaction_created_v1"


class Pipeline:
    """Runs with rows of silver given; everything behind silver is the platform's own."""

    def __init__(self, lake: Lake, folder: Path) -> None:
        self._lake, self._folder = lake, folder
        self._tables: Mapping[str, LakeTable] = registry.load().tables()
        self._store = RunStore(Objects(lake.s3, lake.bucket))

    def silver(self, run: str, rows: Rows, levels: tuple[tuple[str, ...], ...]) -> None:
        """A run that has brought these rows, whole tenant-days, into silver."""
        with connect(
            memory_mb=500, threads=2, temp_dir=self._folder, s3=S3Access.from_environment()
        ) as local:
            silver.load(local, self._tables, rows, self._folder)
            parts = [part for name in rows for part in self._write(local, run, name)]
        days = sorted({(part.org, part.day or "") for part in parts})
        partitions = tuple(TenantDay(org, day, (RawObject("raw/x", 1),)) for org, day in days)
        units = tuple(Unit(org, day, 0, 1) for org, day in days)
        bases = {name: self._base(name) for name in rows}
        refresh = ("hourly", "daily") if len(levels) > 1 else ("hourly",)
        self._store.put_plan(
            Plan(run, "2026-11-21T00:00:00.000Z", refresh, partitions, (units,), levels, bases)
        )
        self._store.put_silver(SilverBatch(run, 0, tuple(parts), ()))
        for name in rows:
            assert self.commit(run, name).status == "committed"

    def build(self, run: str, name: str) -> tuple[dict[str, Any], list[dict[str, Any]], Committed | None]:
        """What the three steps of a table answer."""
        prepared = self.call("prepare_table", {"runId": run, "table": name})
        if prepared["status"] != "ready":
            return prepared, [], None
        made = [
            self.call("build_table", {"runId": run, "table": name, "chunk": number})
            for number in prepared["chunks"]
        ]
        return prepared, made, self.commit(run, name)

    def published(self, run: str) -> None:
        """The run has come to its end, as far as the next one looks."""
        at = "2026-11-21T00:00:00.000Z"
        self._store.put_summary(Summary(run, "done", at, at, (), (), ()))

    def call(self, stem: str, event: dict[str, Any]) -> dict[str, Any]:
        """A function's answer, once it was JSON."""
        with function(stem, {**self._lake.environ, "MEMORY_MB": "1000"}) as handler:
            answer: dict[str, Any] = json.loads(json.dumps(handler(event, None)))
        return answer

    def commit(self, run: str, name: str) -> Committed:
        catalog = tables.catalog(self._lake.environment, self._lake.bucket)
        return Committer(self._store, catalog, self._tables).commit(run, name)

    def rows(self, name: str) -> list[Row]:
        opened = open_table(tables.catalog(self._lake.environment, self._lake.bucket), name)
        return [] if opened is None else opened.table.scan().to_arrow().to_pylist()

    def _write(self, local: duckdb.DuckDBPyConnection, run: str, name: str) -> Iterator[Part]:
        for org, day, count in local.execute(
            f"SELECT org_id, CAST(event_time AS DATE)::VARCHAR, count(*) FROM {name} GROUP BY ALL"
        ).fetchall():
            path = layout.data_file(self._lake.bucket, name, run, org, day, 0)
            local.execute(
                f"COPY (SELECT * FROM {name} WHERE org_id = '{org}' AND CAST(event_time AS DATE) = '{day}')"
                f" TO '{path}' (FORMAT parquet)"
            )
            assert local.execute(f"SELECT count(*) FROM {parquet([path])}").fetchone() == (count,)
            yield Part(name, org, day, path, count, count)

    def _base(self, name: str) -> str | None:
        opened = open_table(tables.catalog(self._lake.environment, self._lake.bucket), name)
        return None if opened is None else opened.metadata_location


@pytest.fixture
def pipeline(lake: Lake, bundle: Path, tmp_path: Path) -> Pipeline:
    return Pipeline(lake, tmp_path)


def transactions(days: set[int], **changes: Any) -> Rows:
    rows = silver.generate(3, transactions=200, orders=1)[SILVER]
    return {SILVER: [{**row, **changes} for row in rows if row["event_time"].day in days]}


BOTH = ((FACTS,), (FEATURES,))


def test_tables_follow_silver_run_by_run(pipeline: Pipeline) -> None:
    first = transactions({1, 2})
    pipeline.silver("r1", first, BOTH)
    prepared, made, committed = pipeline.build("r1", FACTS)
    assert prepared == {"table": FACTS, "status": "ready", "chunks": [0]}
    assert made == [{"table": FACTS, "chunk": 0, "status": "ok", "error": None}]
    assert committed is not None
    wanted = silver.latest_of_day(first[SILVER], "transaction_id")
    assert (committed.status, committed.total_rows, len(committed.landed)) == ("committed", len(wanted), 4)
    assert {row["event_id"] for row in pipeline.rows(FACTS)} == {row["event_id"] for row in wanted}
    pipeline.build("r1", FEATURES)
    assert {row["org_id"] for row in pipeline.rows(FEATURES)} == {ACME, GLOBEX}
    pipeline.published("r1")

    # An hourly run brings another day of one tenant; features are not of it.
    third = {SILVER: [row for row in transactions({3})[SILVER] if row["org_id"] == ACME]}
    pipeline.silver("r2", third, ((FACTS,),))
    _, _, committed = pipeline.build("r2", FACTS)
    assert committed is not None
    assert [(part.org, part.day) for part in committed.landed] == [(ACME, "2026-11-03")]
    pipeline.published("r2")

    # A run that brings nothing to the facts finds what the features lack.
    other = {"silver.payment_captured_v1": list(silver.generate(3, 1, 20)["silver.payment_captured_v1"])}
    pipeline.silver("r3", other, BOTH)
    assert pipeline.build("r3", FACTS)[0]["status"] == "unchanged"
    _, _, committed = pipeline.build("r3", FEATURES)
    assert committed is not None
    assert [(part.org, part.day) for part in committed.landed] == [(ACME, None)]
    newest = {row["org_id"]: row["as_of"] for row in pipeline.rows(FEATURES)}
    assert newest[ACME] == max(row["event_time"] for row in third[SILVER])
    repeated = pipeline.call("prepare_table", {"runId": "r3", "table": FEATURES})
    assert repeated["status"] == "ready", "what it was told before"


def test_what_a_run_made_that_was_not_published_is_made_again(pipeline: Pipeline) -> None:
    first = transactions({1, 2})
    pipeline.silver("r1", first, BOTH)
    pipeline.build("r1", FACTS)
    pipeline.published("r1")
    third = {SILVER: [row for row in transactions({3})[SILVER] if row["org_id"] == ACME]}
    pipeline.silver("r2", third, ((FACTS,),))
    pipeline.build("r2", FACTS)
    other = {"silver.payment_captured_v1": list(silver.generate(3, 1, 20)["silver.payment_captured_v1"])}
    pipeline.silver("r3", other, ((FACTS,),))
    prepared, _, committed = pipeline.build("r3", FACTS)
    assert prepared["status"] == "ready", "nobody was told what r2 made"
    assert committed is not None
    assert [(part.org, part.day) for part in committed.landed] == [(ACME, "2026-11-03")]
    pipeline.published("r3")
    pipeline.silver("r4", other, ((FACTS,),))
    assert pipeline.build("r4", FACTS)[0]["status"] == "unchanged"


def test_a_blocked_day_stays_as_it_was_and_is_tried_again(pipeline: Pipeline) -> None:
    first = transactions({1, 2})
    pipeline.silver("r1", first, BOTH)
    pipeline.build("r1", FACTS)
    pipeline.published("r1")
    before = pipeline.rows(FACTS)
    # Silver would have refused these: here they come to the table, whose contract refuses them as well.
    broken = [
        {**row, "amount": -1} if (row["org_id"], row["event_time"].day) == (ACME, 1) else row
        for row in first[SILVER]
    ]
    pipeline.silver("r2", {SILVER: broken}, BOTH)
    _, _, committed = pipeline.build("r2", FACTS)
    assert committed is not None
    assert [(out.org, out.day) for out in committed.left_out] == [(ACME, "2026-11-01")]
    assert "range(amount)" in committed.left_out[0].error
    assert {row["amount"] for row in pipeline.rows(FACTS)} == {row["amount"] for row in before}
    pipeline.published("r2")
    other = {"silver.payment_captured_v1": list(silver.generate(3, 1, 20)["silver.payment_captured_v1"])}
    pipeline.silver("r3", other, BOTH)
    _, _, committed = pipeline.build("r3", FACTS)
    assert committed is not None
    assert committed.status == "blocked"
    # What reads it goes on: of the other tenant it is as new as it can be.
    prepared, _, committed = pipeline.build("r3", FEATURES)
    assert (prepared["status"], committed is not None and committed.status) == ("ready", "committed")
    assert {row["org_id"] for row in pipeline.rows(FEATURES)} == {ACME, GLOBEX}


def test_a_table_without_anything_to_read_makes_an_empty_table(pipeline: Pipeline) -> None:
    pipeline.silver("r1", transactions({1}), (("gold.campaign_metrics_daily",),))
    prepared, _, committed = pipeline.build("r1", "gold.campaign_metrics_daily")
    assert (prepared["status"], prepared["chunks"]) == ("ready", [])
    assert committed is not None
    assert committed.status == "unchanged"
    assert pipeline.rows("gold.campaign_metrics_daily") == []
    assert len(committed.columns) == len(projects.load().transform("gold.campaign_metrics_daily").columns)


def test_every_table_is_committed(pipeline: Pipeline) -> None:
    levels = projects.load().levels({"hourly", "daily"})
    pipeline.silver("r1", silver.generate(9, transactions=60, orders=30), levels)
    for name in [name for level in levels for name in level]:
        _, made, committed = pipeline.build("r1", name)
        assert {answer["status"] for answer in made} == {"ok"}
        assert committed is not None
        assert (committed.status, committed.left_out) == ("committed", ()), name
        assert {row["org_id"] for row in pipeline.rows(name)} == {ACME, GLOBEX}
