from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest

from millrace.contracts import registry
from millrace.contracts.tables import LakeTable
from millrace.warehouse import project as projects
from millrace.warehouse.project import Project
from tests.support import silver
from tests.support.local_lake import LocalLake
from tests.support.silver import Rows


@pytest.fixture(scope="session")
def tables(bundle: Path) -> Mapping[str, LakeTable]:
    return registry.load(bundle).tables()


@pytest.fixture(scope="session")
def project(bundle: Path) -> Project:
    return projects.load(bundle)


@pytest.fixture(scope="session")
def rows() -> Rows:
    return silver.generate(5)


@pytest.fixture(scope="session")
def loaded(
    rows: Rows, tables: Mapping[str, LakeTable], tmp_path_factory: pytest.TempPathFactory
) -> duckdb.DuckDBPyConnection:
    """Silver of both tenants in one database."""
    connection = duckdb.connect(config={"threads": 1})
    silver.load(connection, tables, rows, tmp_path_factory.mktemp("rows"))
    return connection


@pytest.fixture(scope="session")
def lake(
    loaded: duckdb.DuckDBPyConnection,
    project: Project,
    tables: Mapping[str, LakeTable],
    tmp_path_factory: pytest.TempPathFactory,
) -> LocalLake:
    """Every table, made of files by the builder."""
    made = LocalLake(tmp_path_factory.mktemp("lake"), project, tables)
    made.keep_silver(loaded)
    for transform in project.transforms:
        for chunk in made.run(transform.full_name):
            assert chunk.failures == ()
    return made
