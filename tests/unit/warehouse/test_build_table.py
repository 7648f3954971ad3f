"""The runner keeps tenants and days apart, names what failed and lets the others go on."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import duckdb
import pytest

from cli.errors import RefusedError
from cli.warehouse import silver as copies
from layers.build import platform_layer
from millrace.contracts.tables import LakeTable
from millrace.core.errors import RetryableError
from millrace.lake.build_table import TableBuilder
from millrace.runs.documents import Input, InputFile, Work
from millrace.warehouse.project import Project, Transform
from tests.support.local_lake import LocalLake

pytestmark = pytest.mark.unit
ROOT = Path(__file__).parents[3]
REVENUE, ORDERS = "marts.revenue_by_day", "marts.orders_enriched"
DAYS = 4


def edited(project: Project, name: str, old: str, new: str) -> Project:
    """The project with one table's SQL changed behind the compiler's back."""

    def change(transform: Transform) -> Transform:
        if transform.full_name != name:
            return transform
        assert old in transform.sql
        return replace(transform, sql=transform.sql.replace(old, new))

    return Project([change(transform) for transform in project.transforms], project.exposures)


@pytest.fixture
def files(lake: LocalLake, project: Project, tables: Mapping[str, LakeTable], tmp_path: Path) -> LocalLake:
    """Silver, and nothing made of it yet."""
    made = LocalLake(tmp_path, project, tables)
    made.files = {name: held for name, held in lake.files.items() if tables[name].layer == "silver"}
    return made


def with_project(lake: LocalLake, project: Project) -> LocalLake:
    lake._project = project
    return lake


def test_a_part_tells_of_its_file(lake: LocalLake) -> None:
    for chunk in lake.run(REVENUE):
        assert len(chunk.parts) == 2 * DAYS
        for part in chunk.parts:
            assert part.file is not None
            assert part.size == Path(part.file).stat().st_size
            found = duckdb.execute(f"SELECT count(*) FROM read_parquet('{part.file}')").fetchone()
            assert found == (part.rows,)
            assert part.rows_in == part.rows + part.duplicates + part.dead


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (REVENUE, "SELECT\n    org_id,", "SELECT\n    'org_globex' AS org_id,"),
        (REVENUE, "CAST(event_time AS DATE) AS day", "CAST(event_time AS DATE) + 1 AS day"),
        (
            ORDERS,
            "SELECT\n    o.org_id,",
            "SELECT\n    CASE WHEN o.status = 'completed' THEN 'x' ELSE o.org_id END AS org_id,",
        ),
        (ORDERS, "SELECT\n    o.org_id,", "SELECT\n    CAST(NULL AS VARCHAR) AS org_id,"),
    ],
)
def test_rows_of_another_tenant_or_day_are_refused(
    name: str, old: str, new: str, files: LocalLake, project: Project
) -> None:
    (chunk,) = with_project(files, edited(project, name, old, new)).run(name)
    refused = {failure.org for failure in chunk.failures}
    assert "org_acme" in refused
    assert all("of another tenant or day" in failure.error for failure in chunk.failures)
    assert not [part for part in chunk.parts if part.org in refused]


def test_a_work_that_fails_lets_the_others_go_on(files: LocalLake, project: Project) -> None:
    # Only the first day of one tenant has a payment of which this cannot be made.
    wrong = edited(
        project,
        REVENUE,
        "COUNT(payment_id) AS payment_count",
        "SUM(CASE WHEN org_id = 'org_acme' AND event_time < TIMESTAMPTZ '2026-11-02 00:00:00+00'"
        " THEN CAST(payment_id AS INTEGER) ELSE 1 END) AS payment_count",
    )
    (chunk,) = with_project(files, wrong).run(REVENUE)
    (failure,) = chunk.failures
    assert (failure.org, failure.day) == ("org_acme", "2026-11-01")
    assert "Could not convert string 'pay_" in failure.error
    assert len(chunk.parts) == 2 * DAYS - 1


def test_no_rows_are_no_file(files: LocalLake) -> None:
    asked = replace(files.prepared(REVENUE), chunks=((Work("org_acme", "2025-01-01"),),))
    (chunk,) = files.run(REVENUE, asked)
    (part,) = chunk.parts
    assert (part.file, part.rows, part.rows_in, part.size) == (None, 0, 0, 0)


def test_a_file_that_is_missing_fails_its_tenant_s_work_only(files: LocalLake) -> None:
    prepared = files.prepared(REVENUE)
    gone = InputFile("/nowhere/x.parquet", "org_acme", "2026-11-01")
    inputs = tuple(
        replace(one, files=(*(file for file in one.files if file.org != "org_acme"), gone))
        for one in prepared.inputs
    )
    works = tuple(Work(org, "2026-11-01") for org in ("org_acme", "org_globex"))
    (chunk,) = files.run(REVENUE, replace(prepared, inputs=inputs, chunks=(works,)))
    assert [(failure.org, failure.day) for failure in chunk.failures] == [("org_acme", "2026-11-01")]
    assert "/nowhere/x.parquet" in chunk.failures[0].error
    assert [(part.org, part.rows > 0) for part in chunk.parts] == [("org_globex", True)]


def test_a_lake_that_does_not_answer_is_asked_again(files: LocalLake) -> None:
    broken = duckdb.IOException("IO Error: Connection refused error for HTTP GET to 'https://lake/x'")
    connection = Mock()
    connection.execute.side_effect = broken
    runner = TableBuilder(connection, files._project, files._tables, files._place)
    with pytest.raises(RetryableError):
        runner.run(files.prepared(REVENUE), 0)


def test_a_column_that_silver_has_not_yet_is_null(files: LocalLake, tmp_path: Path) -> None:
    """A table that was compiled against a newer minor runs over files of the older one."""
    path = tmp_path / "older.parquet"
    duckdb.execute(
        f"COPY (SELECT 'org_acme' AS org_id, 'e' AS event_id, TIMESTAMPTZ '2026-11-01 10:00:00+00' AS event_time,"
        f" TIMESTAMPTZ '2026-11-01 10:00:00+00' AS received_at, 'p' AS payment_id, 'o' AS order_id,"
        f" 5::DECIMAL(18,4) AS amount, 'EUR' AS currency) TO '{path}' (FORMAT parquet)"
    )
    prepared = files.prepared(REVENUE)
    older = tuple(
        Input(one.table, 1, one.columns, (InputFile(str(path), "org_acme", "2026-11-01"),))
        for one in prepared.inputs
    )
    work = ((Work("org_acme", "2026-11-01"),),)
    (chunk,) = files.run(REVENUE, replace(prepared, inputs=older, chunks=work))
    assert [part.rows for part in chunk.parts] == [1]
    (row,) = files.rows(REVENUE)
    assert (row["revenue_cents"], row["distinct_users"]) == (500, 0)


class Opened:
    """A table of the catalog, by its files."""

    def __init__(self, found: tuple[InputFile, ...]) -> None:
        self._found = found

    def files(self) -> list[InputFile]:
        return list(self._found)


def test_silver_is_copied_as_its_contract_says(
    files: LocalLake, loaded: duckdb.DuckDBPyConnection, tables: Mapping[str, LakeTable], tmp_path: Path
) -> None:
    read = {name: tables[name] for name in ("silver.payment_captured_v1", "silver.alert_raised_v1")}
    held = {"silver.payment_captured_v1": Opened(files.files["silver.payment_captured_v1"])}
    file = tmp_path / "copy" / "warehouse.duckdb"
    for org in ("org_globex", "org_acme"):
        rows = copies.copy(held.get, read, file, None, org)  # type: ignore[arg-type]
    count = "SELECT count(*) FROM silver.payment_captured_v1 WHERE org_id = 'org_acme'"
    wanted = loaded.cursor().execute(count).fetchone()
    assert wanted is not None
    assert rows == {"silver.payment_captured_v1": wanted[0], "silver.alert_raised_v1": 0}
    with duckdb.connect(str(file)) as connection:
        assert connection.execute("SELECT DISTINCT org_id FROM silver.payment_captured_v1").fetchall() == [
            ("org_acme",)
        ]
        described = connection.execute("DESCRIBE silver.alert_raised_v1").fetchall()
    assert [row[0] for row in described] == [c.name for c in tables["silver.alert_raised_v1"].columns]


def test_silver_of_several_tenants_is_copied_for_one_that_is_named(
    files: LocalLake, tables: Mapping[str, LakeTable], tmp_path: Path
) -> None:
    name = "silver.payment_captured_v1"
    read = {name: tables[name]}
    for orgs, refused in ((("org_acme", "org_globex"), True), (("org_globex",), False)):
        held = {name: Opened(tuple(file for file in files.files[name] if file.org in orgs))}
        file = tmp_path / "warehouse.duckdb"
        if refused:
            with pytest.raises(RefusedError, match="rows of org_acme, org_globex: name one with ORG="):
                copies.copy(held.get, read, file, None)  # type: ignore[arg-type]
        else:
            assert copies.copy(held.get, read, file, None)[name] > 0  # type: ignore[arg-type]


def test_the_layer_is_made_anew_when_the_warehouse_changes(tmp_path: Path) -> None:
    first = platform_layer(build=tmp_path / "build")
    project = tmp_path / "warehouse"
    for path in (ROOT / "warehouse").rglob("*"):
        if path.is_file():
            target = project / path.relative_to(ROOT / "warehouse")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    model = project / "models/marts/revenue_by_day.sql"
    model.write_text(model.read_text().replace("-- Currencies are", "-- Other currencies are"))
    second = platform_layer(build=tmp_path / "build", warehouse=project)
    assert first.revision != second.revision
    assert b"Other currencies are" in (second.path / "python/millrace/bundle/warehouse.json").read_bytes()
