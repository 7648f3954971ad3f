"""dbt itself, in its own environment: it renders what we render, its tests pass, and its rows are the pipeline's."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
import yaml

from cli.local.steps import StepError
from cli.places import checkout
from cli.warehouse import dbt, environment, generated
from cli.warehouse.dbt import Workspace
from millrace.compiler.warehouse.render import render
from millrace.contracts import registry
from millrace.contracts.tables import LakeTable
from millrace.quality.checks import checks_of
from millrace.warehouse import project as projects
from millrace.warehouse.project import Project
from tests.support import silver
from tests.support.local_lake import LocalLake

# dbt's environment is installed once a checkout.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
WAREHOUSE = checkout().root / "warehouse"


@pytest.fixture(scope="module")
def tables(bundle: Path) -> Mapping[str, LakeTable]:
    return registry.load(bundle).tables()


@pytest.fixture(scope="module")
def project(bundle: Path) -> Project:
    return projects.load(bundle)


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory, project: Project, tables: Mapping[str, LakeTable]
) -> tuple[Workspace, LocalLake]:
    """A database that `dbt build` has filled and tested, and the lake that the runner made of the same silver."""
    folder = tmp_path_factory.mktemp("dbt")
    file = folder / "warehouse.duckdb"
    with duckdb.connect(str(file)) as connection:
        silver.load(connection, tables, silver.generate(11, transactions=400, orders=120), folder)
        lake = LocalLake(folder, project, tables)
        lake.keep_silver(connection)
    work = dbt.workspace(environment.ensure(checkout()), WAREHOUSE, folder / "project", file)
    work.run("build")
    for transform in project.transforms:
        for chunk in lake.run(transform.full_name):
            assert chunk.failures == ()
    return work, lake


def test_dbt_compiles_what_we_render(built: tuple[Workspace, LocalLake]) -> None:
    work, _ = built
    ours = {m.name: m for m in render(WAREHOUSE, lambda schema, name: f'"warehouse"."{schema}"."{name}"')}
    # What tests are made of is below the name of their YAML file.
    models = (path for path in work.compiled.glob("*/*.sql") if not path.parent.suffix)
    theirs = {path.stem: path.read_text() for path in models}
    assert theirs.keys() == ours.keys()
    for name, transform in ours.items():
        assert transform.sql.split() == theirs[name].split(), name


def test_the_pipeline_and_dbt_make_the_same_rows(
    built: tuple[Workspace, LocalLake], project: Project
) -> None:
    work, lake = built
    with duckdb.connect(str(work.database), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for transform in project.transforms:
            files = [file.path for file in lake.files[transform.full_name]]
            made = f"SELECT * FROM read_parquet({files}, hive_partitioning = false)"
            theirs = f"SELECT * FROM {transform.full_name}"
            for left, right in ((made, theirs), (theirs, made)):
                assert connection.execute(f"{left} EXCEPT ALL {right}").fetchall() == [], transform.full_name
            count = connection.execute(f"SELECT count(*) FROM {transform.full_name}").fetchone()
            assert count is not None
            assert count[0] > 0


def test_dbt_names_what_breaks_a_contract(built: tuple[Workspace, LocalLake]) -> None:
    work, _ = built
    with duckdb.connect(str(work.database)) as connection:
        connection.execute("UPDATE marts.revenue_by_day SET revenue = -1 WHERE revenue IS NOT NULL")
    with pytest.raises(StepError) as failed:
        work.run("test", "--select", "revenue_by_day")
    assert failed.value.log is not None
    (named,) = set(re.findall(r"Failure in test (\S+)", failed.value.log.read_text()))
    assert named.startswith("in_range_revenue_by_day_")
    assert named.endswith("__revenue")


def test_the_project_parses_as_it_lies_and_describes_and_tests_every_model(
    built: tuple[Workspace, LocalLake],
) -> None:
    work, _ = built
    work.run("--warn-error", "parse")
    manifest = json.loads((work.folder / "target" / "manifest.json").read_text())
    nodes = manifest["nodes"].values()
    tested = {
        name for node in nodes if node["resource_type"] == "test" for name in node["depends_on"]["nodes"]
    }
    asked = {name for one in manifest["unit_tests"].values() for name in one["depends_on"]["nodes"]}
    for node in nodes:
        if node["resource_type"] == "model":
            assert node["unique_id"] in asked, node["name"]
            assert node["description"], node["name"]
            assert node["unique_id"] in tested, node["name"]
            assert all(column["description"] for column in node["columns"].values()), node["name"]
    assert all(one["description"] for one in manifest["sources"].values())
    assert {one["name"] for one in manifest["exposures"].values()} == {"revenue_overview", "churn_prediction"}


def test_the_freshness_of_every_source_is_known(built: tuple[Workspace, LocalLake]) -> None:
    work, _ = built
    work.run("source", "freshness")
    results = json.loads((work.folder / "target" / "sources.json").read_text())["results"]
    generated_sources = yaml.safe_load((WAREHOUSE / generated.FOLDER / "sources.yml").read_text())["sources"]
    assert len(results) == len(generated_sources[0]["tables"])
    assert {one["status"] for one in results} <= {"pass", "warn"}


def test_what_is_generated_from_the_contracts_is_committed(
    project: Project, tables: Mapping[str, LakeTable]
) -> None:
    held = {path.name: path.read_text(encoding="utf-8") for path in (WAREHOUSE / generated.FOLDER).iterdir()}
    assert held == generated.files(project, tables), "run: .venv/bin/python -m cli.warehouse generate"


def test_the_project_for_athena_says_the_same_of_other_words(tmp_path: Path) -> None:
    work = dbt.workspace(Path("dbt"), WAREHOUSE, tmp_path / "project", tmp_path / "none", for_athena=True)
    theirs = {model.full_name: model for model in render(work.folder)}
    for model in render(WAREHOUSE):
        assert set(theirs[model.full_name].reads) == set(model.reads)
        sqlglot.parse_one(theirs[model.full_name].sql, dialect="athena")
    assert "CARDINALITY(" in theirs["marts.orders_enriched"].sql
    assert "FROM_UNIXTIME(" in theirs["gold.merchant_10min"].sql


def test_every_blocking_check_of_a_contract_is_a_test_of_dbt(
    project: Project, tables: Mapping[str, LakeTable]
) -> None:
    document: dict[str, Any] = yaml.safe_load(generated.files(project, tables)["schema.yml"])
    for model in document["models"]:
        table = next(t for t in tables.values() if t.name == model["name"] and t.layer != "silver")
        found = set()
        for column in model["columns"]:
            for test in column.get("data_tests", ()):
                kind = test if isinstance(test, str) else next(iter(test))
                named = {"accepted_values": "accepted", "in_range": "range"}.get(kind, kind)
                found.add(f"{named}({column['name']})")
        for test in model.get("data_tests", ()):
            columns = test["unique_within"]["arguments"]["columns"]
            found.add(f"unique({columns[0]})" if len(columns) == 1 else "one_row_each")
        assert found == {check.name for check in checks_of(table) if check.severity == "blocking"}
