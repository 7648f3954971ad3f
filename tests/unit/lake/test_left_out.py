"""Views of pinned tables without the rows of some people: of ten thousand, of one tenant, of text and of numbers."""

from pathlib import Path

import duckdb

from millrace.lake.sources import LeftOut, open_views
from millrace.runs.documents import Input, InputFile, Sources

COLUMNS = (("org_id", "VARCHAR"), ("user_key", "VARCHAR"), ("user_id", "BIGINT"), ("n", "BIGINT"))
PERSONS = {"silver.orders_v1": ("user_key", "user_id")}


def opened(folder: Path, without: LeftOut, org: str = "org_a") -> duckdb.DuckDBPyConnection:
    connection, files = duckdb.connect(config={"threads": 1}), []
    for tenant in ("org_a", "org_b"):
        path = folder / f"{tenant}.parquet"
        connection.execute(
            f"COPY (SELECT '{tenant}' AS org_id, CASE WHEN i % 100 = 0 THEN NULL ELSE CAST(i % 20000 AS VARCHAR) END AS user_key, "
            f"i % 20000 AS user_id, i AS n FROM range(60000) AS t(i)) TO '{path}'"
        )
        files.append(InputFile(str(path), tenant, None, 60_000, 1))
    sources = Sources(
        "run", "2026-11-21T00:00:00.000Z", (Input("silver.orders_v1", 1, COLUMNS, tuple(files)),)
    )
    open_views(connection, sources, org, without)
    return connection


def rows(connection: duckdb.DuckDBPyConnection, where: str = "true") -> int:
    (found,) = connection.execute(f"SELECT count(*) FROM silver.orders_v1 WHERE {where}").fetchone() or (0,)
    return int(found)


def test_ten_thousand_people_are_left_out(tmp_path: Path) -> None:
    without = LeftOut([str(number) for number in range(10_000)], PERSONS)
    with opened(tmp_path, without) as connection:
        assert rows(connection) == 30_000
        assert rows(connection, "user_id < 10000") == 0


def test_a_row_without_a_user_is_judged_by_what_else_names_one(tmp_path: Path) -> None:
    with opened(tmp_path, LeftOut(["100", "7"], PERSONS)) as connection:
        assert rows(connection, "user_id IN (7, 100)") == 0
        assert rows(connection, "user_key IS NULL") == 600 - 3
    with opened(tmp_path, LeftOut(["100", "7"], {"silver.orders_v1": ("user_key",)})) as connection:
        assert rows(connection, "user_id = 7") == 0
        assert rows(connection, "user_key IS NULL") == 600


def test_where_nobody_is_left_out_all_is_read(tmp_path: Path) -> None:
    with opened(tmp_path, LeftOut((), PERSONS)) as connection:
        assert rows(connection) == 60_000
    with opened(tmp_path, LeftOut(["7"], {})) as connection:
        assert rows(connection) == 60_000
