"""What somebody would try who wants more than the rows and columns that are theirs: each statement, and what it is answered."""

from pathlib import Path
from typing import Any

import pytest

from millrace.queries.errors import (
    QueryError,
    RefusedQueryError,
    SlowQueryError,
    SqlError,
    TooLargeQueryError,
)
from millrace.queries.reader import operator
from millrace.queries.service import Queries
from tests.support.queries import ORGS, ask, queries, reader

USERS = "silver.user_registered_v1"
REFUSED: tuple[str, ...] = (
    # Files, and what is reached by an address.
    "select * from read_parquet('s3://lake/raw/events/**')",
    "select * from parquet_scan('s3://lake/x')",
    "select * from read_csv('/etc/passwd')",
    "select * from read_csv_auto('/etc/passwd')",
    "select * from read_json('/proc/self/environ')",
    "select * from read_text('/proc/self/environ')",
    "select * from read_blob('/proc/self/environ')",
    "select * from glob('/tmp/**')",
    "select * from 's3://lake/raw/events/a.parquet'",
    'select * from "s3://lake/raw/events/a.parquet"',
    "select * from '/tmp/x.parquet'",
    "from parquet_metadata('s3://lake/x')",
    "from parquet_schema('s3://lake/x')",
    "from parquet_kv_metadata('s3://lake/x')",
    "from parquet_file_metadata('s3://lake/x')",
    "from sniff_csv('/etc/passwd')",
    "from read_duckdb('/tmp/x.duckdb')",
    "select * from query('select 1')",
    "select * from query_table('silver.user_registered_v1')",
    "select * from json_execute_serialized_sql('{}')",
    "with a as (select * from read_text('/etc/passwd')) select * from a",
    "select (select content from read_text('/etc/passwd'))",
    "select 1 where exists (from glob('/**'))",
    "select * from range(3) t(i), lateral (select * from read_text('/etc/passwd'))",
    "summarize select * from read_csv('/etc/passwd')",
    "describe select * from read_csv('/etc/passwd')",
    "explain analyze select * from read_text('/etc/passwd')",
    # Statements that do something.
    "attach '/tmp/x.duckdb'",
    "attach 's3://lake/x.duckdb' as y",
    "detach box",
    "copy (select 1) to 's3://lake/x'",
    "copy silver.user_registered_v1 from '/tmp/x'",
    "export database '/tmp/x'",
    "import database '/tmp/x'",
    "install httpfs",
    "load httpfs",
    "install spatial from community",
    "create secret (type s3)",
    "drop secret x",
    "set enable_external_access = true",
    "reset lock_configuration",
    "pragma database_list",
    "call pragma_version()",
    "create view v as select 1",
    "create table t as select 1",
    "create macro f(x) as x",
    "insert into silver.user_registered_v1 select 1",
    "update silver.user_registered_v1 set user_id = 'x'",
    "delete from silver.user_registered_v1",
    "drop table silver.user_registered_v1",
    "alter table silver.user_registered_v1 add column x int",
    "begin transaction",
    "checkpoint",
    "vacuum",
    "prepare p as select 1",
    "execute p",
    "use silver",
    "/* select */ set threads = 64",
    "-- select 1\npragma threads = 64",
    # Settings, secrets, the environment, the catalog.
    "select getenv('AWS_SECRET_ACCESS_KEY')",
    "select current_setting('s3_secret_access_key')",
    "select CURRENT_SETTING('memory_limit')",
    "select getvariable('x')",
    "select * from duckdb_secrets()",
    "select * from duckdb_settings()",
    "select * from duckdb_tables()",
    "select * from duckdb_columns()",
    "select * from duckdb_functions()",
    "select * from duckdb_extensions()",
    "from which_secret('s3://lake', 's3')",
    "select * from duckdb_tables",
    "select * from sqlite_master",
    "select * from SQLITE_MASTER",
    "select * from pg_catalog.pg_class",
    "select * from pg_tables",
    "select * from information_schema.tables",
    "select * from information_schema.columns",
    "select * from system.information_schema.tables",
    "select * from main.duckdb_settings",
    "with duckdb_settings as (select 1) select * from duckdb_settings",
    "with a as (select * from duckdb_tables), duckdb_tables as (select 1) select * from a",
    "select * from pragma_table_info('silver.user_registered_v1')",
    "select * from (show all tables)",
    "select * from (describe silver.user_registered_v1)",
    "select current_database(), current_schemas(true)",
    "select pg_get_viewdef(1)",
    "select nextval('x')",
    "select write_log('x')",
    "select json_serialize_sql('select 1')",
    "select txid_current()",
    "select icu_sort_key('x', 'de')",
    "select main.current_setting('x')",
    "select system.main.current_setting('x')",
    "select ('memory_limit').current_setting()",
    "select list_transform(['memory_limit'], lambda x: current_setting(x))",
    "select sleep_ms(100000)",
    "select pg_sleep(1000)",
    "select count(*) over (partition by current_setting('TimeZone')) from silver.user_registered_v1",
    "select * from silver.user_registered_v1 order by getenv('x')",
    "select * from silver.user_registered_v1 limit (select count(*) from duckdb_settings())",
    "select * from silver.user_registered_v1 where user_id = $1",
    "select ?",
    # Other catalogs and schemas.
    "select * from box.silver.user_registered_v1",
    "select * from memory.silver.user_registered_v1",
    "select * from temp.x",
    'select * from "main"."result"',
    "select * from silver.user_registered_v1 at (version => 1)",
)
WRONG: tuple[tuple[str, str], ...] = (
    ("select 1; select 2", "one statement"),
    ("select 1; set threads = 1", "one statement"),
    ("select 1 -- \n; drop table x", "one statement"),
    ("", "no statement"),
    ("select", "Parser Error"),
    ("select * from users", "no table users"),
    ("select * from result", "no table result"),
    ("select * from silver.user_registered_v2", "no table silver.user_registered_v2"),
    ("select * from silver.ｕｓｅｒ_registered_v1", "no table"),
    ("select * from silver.user_registered_v1 as of 99", "no snapshot 99"),
    ("select * from silver.user_registered_v1 as of '2020-01-01'", "no snapshot before"),
    ("select * from raw.events as of 1", "no snapshots"),
    ("select 1 where " + "not " * 3000 + "true", "expression depth"),
    ("select * from (" * 600 + "select 1" + ")" * 600, "depth|deeply|memory"),
    ("select '" + "x" * 100_001 + "'", "characters"),
)
# They run, and have no more than the caller's rows.
HARMLESS: tuple[str, ...] = (
    f"select *, 1 as n from {USERS} where org_id = 'org_b' or true union all by name select * from {USERS} where 1 = 1",
    f"with silver as (select 1), user_registered_v1 as (select 'org_b' as o) select u.* from {USERS} u, silver, user_registered_v1",
    'select columns(*) from "SILVER"."User_Registered_V1" as "read_text"',
    f"select a.*, (select max(t) from {USERS} t) from {USERS} a, lateral (select a.org_id) b",
    "select *, payload::json->>'email', payload::json->'$.email' from raw.events where org = 'org_b' or org_id = 'org_b' or true",
    f"select t, to_json(t), t::varchar from {USERS} as of 1 t",
    f"select * exclude (org_id) from {USERS} union all by name from staging.stg_users",
    f"summarize {USERS}",
    f"pivot {USERS} on org_id in ('org_a', 'org_b') using count(*), max(user_id)",
)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Queries:
    assert bundle.is_dir()
    return queries(tmp_path_factory.mktemp("lake"))[0]


def test_there_are_enough_of_them() -> None:
    assert len({*REFUSED, *WRONG, *HARMLESS}) >= 130


@pytest.mark.parametrize("sql", REFUSED)
def test_what_reads_more_than_tables_is_refused(asked: Queries, sql: str) -> None:
    with pytest.raises(RefusedQueryError):
        ask(asked, reader(), sql, 5)
    # Nor may an operator: whoever invokes the function reads the lake's tables and nothing else.
    with pytest.raises(RefusedQueryError):
        ask(asked, operator(""), sql, 5)


@pytest.mark.parametrize(("sql", "sentence"), WRONG)
def test_what_is_no_statement_of_tables_is_a_sentence(asked: Queries, sql: str, sentence: str) -> None:
    with pytest.raises(SqlError, match=sentence):
        ask(asked, reader(), sql, 5)


@pytest.mark.parametrize("sql", HARMLESS)
def test_no_trick_reaches_another_tenant_or_a_protected_value(asked: Queries, sql: str) -> None:
    answer = str(ask(asked, reader("org_a"), sql, 20))
    assert "org_b" not in answer.replace("'org_b'", "").replace("org_b_", ""), answer
    _shows_nothing(answer, "org_b")
    answer = str(ask(asked, operator(""), sql, 20))
    for org in ORGS:
        _shows_nothing(answer, org)


def _shows_nothing(answer: str, org: str) -> None:
    for name in ("email", "first_name", "meta_ip_address"):
        assert f"clear_{org}_{name}" not in answer
    assert f"clear_{org}@x.example" not in answer


def test_no_query_uses_more_time_or_memory_than_it_may(asked: Queries) -> None:
    endless = "with recursive r as (select 1 as n union all select n + 1 from r) select count(*) from r"
    for sql in (
        endless,
        "select sum(a.range * b.range) from range(100000000) a, range(100000000) b",
    ):
        with pytest.raises((SlowQueryError, TooLargeQueryError)):
            ask(asked, reader(), sql, 1)
    for sql in (
        "select repeat('x', 4000000000) as a",
        "select list(range) from range(1000000000000)",
        "select repeat(repeat('x', 1000000), 4000)",
    ):
        with pytest.raises(TooLargeQueryError, match="memory"):
            ask(asked, reader(), sql, 20)
    answer = ask(asked, reader(), "from range(1000000000000)", 10, limit=5)
    assert (answer["rowCount"], answer["truncated"]) == (5, True)
    matches = ask(asked, reader(), "select regexp_matches(repeat('a', 100000), '(a+)+b') as m", 10)
    assert matches["rows"] == [[False]]


def test_what_would_be_read_is_bounded_before_it_is_read(tmp_path: Path, bundle: Path) -> None:
    assert bundle.is_dir()
    small, _ = queries(tmp_path, read_mb=0)
    with pytest.raises(TooLargeQueryError, match="fewer days"):
        ask(small, reader(), f"select user_id from {USERS}", 5)
    assert ask(small, reader(), f"describe {USERS}", 5)["rowCount"] > 5


@pytest.mark.parametrize(
    "text",
    ["\x00", "\ud800", "select '\ud800'", "select 1\x00; drop table x", "﻿select 1 as a", "select 1 as a"],
)
def test_any_text_is_answered(asked: Queries, text: str) -> None:
    found: Any
    try:
        found = ask(asked, reader(), text, 10)["rows"]
    except QueryError as error:
        found = str(error)
    assert found in ([[1]], []) or found
