"""DuckDB as workers have it: what it may take, and views that are tables whatever a file has."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from millrace.core.errors import PermanentError
from millrace.core.sql import literal
from millrace.lake import duck

COLUMNS = (
    ("a", "BIGINT"),
    ("b", "VARCHAR"),
    ('odd "name"', "DECIMAL(18,4)"),
    ("s", 'STRUCT("p" BIGINT, "q" DOUBLE)'),
)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duck.connect(memory_mb=200, threads=1, temp_dir=tmp_path) as made:
        yield made


def setting(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    row = connection.execute("SELECT current_setting(?)::VARCHAR", [name]).fetchone()
    assert row is not None
    return str(row[0])


def test_it_is_bounded_and_fetches_nothing(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    assert setting(connection, "threads") == "1"
    assert setting(connection, "memory_limit") == "190.7 MiB"
    assert setting(connection, "temp_directory").startswith(str(tmp_path))
    assert setting(connection, "TimeZone") == "UTC"
    for name in ("autoinstall_known_extensions", "autoload_known_extensions", "preserve_insertion_order"):
        assert setting(connection, name) == "false"
    with pytest.raises(duckdb.Error):
        connection.execute("INSTALL spatial FROM 'nowhere'")


def test_two_databases_spill_into_two_folders(tmp_path: Path) -> None:
    with (
        duck.connect(memory_mb=200, threads=1, temp_dir=tmp_path) as one,
        duck.connect(memory_mb=200, threads=1, temp_dir=tmp_path) as other,
    ):
        assert setting(one, "temp_directory") != setting(other, "temp_directory")


def test_what_does_not_fit_is_an_error_and_no_dead_process(tmp_path: Path) -> None:
    with duck.connect(memory_mb=50, threads=1, temp_dir=tmp_path, temp_limit_mb=1) as connection:
        with pytest.raises(duckdb.OutOfMemoryException):
            connection.execute("SELECT list(md5(i::VARCHAR)) FROM range(5_000_000) AS r(i)").fetchall()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_variable_is_no_table(connection: duckdb.DuckDBPyConnection) -> None:
    secret = connection.sql("SELECT 1 AS one")
    assert secret is not None
    with pytest.raises(duckdb.CatalogException):
        connection.execute("SELECT * FROM secret")


def test_a_view_of_no_files_is_empty_and_typed(connection: duckdb.DuckDBPyConnection) -> None:
    duck.create_view(connection, "silver.x", COLUMNS, [])
    described = connection.execute("DESCRIBE silver.x").fetchall()
    assert [row[0] for row in described] == ["a", "b", 'odd "name"', "s"]
    assert described[2][1] == "DECIMAL(18,4)"
    assert connection.execute("SELECT count(*) FROM silver.x").fetchone() == (0,)


def test_a_view_is_the_table_whatever_its_files_have(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    old, new = tmp_path / "it's old.parquet", tmp_path / "new.parquet"
    connection.execute(f"COPY (SELECT 1::INTEGER AS a, {{'p': 1}} AS s) TO {literal(str(old))}")
    connection.execute(
        f"COPY (SELECT 2::BIGINT AS a, 'x' AS b, {{'p': 2, 'q': 0.5}} AS s, 9 AS unknown) TO {literal(str(new))}"
    )
    duck.create_view(connection, "silver.x", COLUMNS, [str(old), str(new)])
    assert connection.execute("SELECT * FROM silver.x ORDER BY a").fetchall() == [
        (1, None, None, {"p": 1, "q": None}),
        (2, "x", None, {"p": 2, "q": 0.5}),
    ]
    duck.create_view(connection, "silver.x", COLUMNS, [str(old), str(new)], where="a > 1")
    assert connection.execute("SELECT a FROM silver.x").fetchall() == [(2,)]


def test_only_the_asked_columns_are_read_and_filters_reach_the_files(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = str(tmp_path / "one.parquet")
    connection.execute(f"COPY (SELECT i AS a, i::VARCHAR AS b FROM range(10) AS r(i)) TO {literal(path)}")
    duck.create_view(connection, "silver.x", COLUMNS, [path])
    plan = connection.execute("EXPLAIN SELECT b FROM silver.x WHERE a = 7").fetchall()[0][1]
    scan = " ".join(plan[plan.index("READ_PARQUET") :].replace("│", " ").split())
    assert "Projections: b" in scan
    assert "a=7" in scan


def test_a_name_is_no_pattern() -> None:
    with pytest.raises(ValueError, match="not a pattern"):
        duck.parquet(["s3://lake/*.parquet"])


def test_access_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "it's",
        "AWS_SESSION_TOKEN": "token",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": "http://localhost:1",
        "AWS_ENDPOINT_URL_S3": "http://localhost:4566",
    }.items():
        monkeypatch.setenv(name, value)
    sql = duck.S3Access.from_environment().secret_sql()
    assert "KEY_ID 'key', SECRET 'it''s', REGION 'eu-central-1', SESSION_TOKEN 'token'" in sql
    assert "ENDPOINT 'localhost:4566', URL_STYLE 'path', USE_SSL 'false'" in sql
    assert "it's" not in repr(duck.S3Access.from_environment())


def test_on_aws_there_is_no_endpoint() -> None:
    assert "ENDPOINT" not in duck.S3Access("key", "secret", "eu-central-1").secret_sql()


def test_the_extension_is_the_one_of_this_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert duck.extension().name == "httpfs.duckdb_extension"
    monkeypatch.setattr(duckdb, "__version__", "0.0.1")
    with pytest.raises(PermanentError, match=r"0\.0\.1"):
        duck.extension()


@pytest.mark.parametrize(("memory", "share"), [(1024, 614), (2048, 1228), (10_240, 8_740)])
def test_python_keeps_some_of_the_memory(memory: int, share: int) -> None:
    assert duck.share(memory) == share
