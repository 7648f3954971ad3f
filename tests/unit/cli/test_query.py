"""`millrace query` on DuckDB alone: every column and value of an answer is shown, in JSON and in a table."""

import io
import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from threading import Timer
from types import SimpleNamespace
from typing import Any

import duckdb
import orjson
import pytest

from cli import lake
from cli.errors import RefusedError, UsageError
from cli.main import run
from cli.output import counted
from cli.target import Target
from millrace.queries.invocation import answer_operator
from millrace.queries.names import distinct
from millrace.queries.tokens import split
from tests.support.queries import queries

pytestmark = pytest.mark.unit
# Each module is hidden by the command of its name.
command = import_module("cli.commands.query")
shell = import_module("cli.commands.sql")


@pytest.fixture
def no_platform(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, bundle: Path
) -> None:
    """The function runs in this process, and its links are files."""
    assert bundle.is_dir()
    monkeypatch.delenv("MILLRACE_API_KEY", raising=False)
    target = Target("local", "http://localhost:1", {"QueryFunction": "query"})
    asked, _ = queries(tmp_path_factory.mktemp("lake"))

    def invoke(FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert FunctionName == "query"
        return {"Payload": io.BytesIO(orjson.dumps(answer_operator(asked, orjson.loads(Payload), 20)))}

    monkeypatch.setattr(Target, "client", lambda *_, **__: SimpleNamespace(invoke=invoke))
    monkeypatch.setattr(lake, "download", shutil.copyfile)
    for module in (command, shell):
        monkeypatch.setattr(module, "find_target", lambda _: target)


@pytest.fixture
def ask(no_platform: None, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def asked(sql: str, *, as_json: bool = True, **more: Any) -> str:
        command.query(sql, as_json=as_json, **more)
        return capsys.readouterr().out

    return asked


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("select 1 as a, 2 as a", [{"a": 1, "a_1": 2}]),
        ("select 1 as a, 2 as a, 3 as a_1, 4 as A", [{"a": 1, "a_1": 2, "a_1_1": 3, "A_2": 4}]),
        ("select 1 as Ä, 2 as ä", [{"Ä": 1, "ä_1": 2}]),
        ("select 1, 1, null, null", [{"1": 1, "1_1": 1, "NULL": None, "NULL_1": None}]),
        ("select * from (values (1, 2)) as x join (values (3, 4)) as y on true", None),
        ("select 1 as a where false", []),
        ("select 'nan'::double as a, ['inf'::double] as b", [{"a": None, "b": [None]}]),
        ("select {'a': {'b': [1, null]}} as s", [{"s": {"a": {"b": [1, None]}}}]),
        ("select map {1.5: 'x'} as m", [{"m": {"1.5": "x"}}]),
        ("select 170141183460469231731687303715884105727::hugeint as h", [{"h": 2**127 - 1}]),
        ("select '\\x00\\xFF'::blob as b", [{"b": "AP8="}]),
        ("select interval 90 second as i, time '01:02:03' as t", [{"i": 90.0, "t": "01:02:03"}]),
        ("select timestamptz '2026-11-21 01:00:00+02' as t", [{"t": "2026-11-20T23:00:00.000Z"}]),
        ("select chr(0) as t, '[/red]' as \"[/red]\"", [{"t": "\0", "[/red]": "[/red]"}]),
    ],
)
def test_nothing_of_an_answer_is_lost(
    ask: Callable[..., str], sql: str, rows: list[dict[str, Any]] | None
) -> None:
    document = ask(sql).splitlines()[-1]

    def refuse(_: str) -> None:
        raise AssertionError("NaN is not JSON")

    found = json.loads(document, parse_constant=refuse)
    if rows is None:
        assert [list(row.values()) for row in found] == [[1, 2, 3, 4]]
    else:
        assert found == rows
    shown = ask(sql, as_json=False)
    assert shown.splitlines()[-1] == counted(len(found), "row")
    for name in found[0] if found else ():
        assert name in shown


def test_names_are_those_that_duckdb_gives_a_subquery() -> None:
    for columns in ("1 as a, 2 as a", "1 as a, 2 as A, 3 as a", "1 as a_1, 2 as a, 3 as a, 4 as a"):
        own = duckdb.execute(f"SELECT * FROM (SELECT {columns})").description
        given = duckdb.execute(f"SELECT {columns}").description
        assert distinct(column[0] for column in given) == [column[0] for column in own]


def test_decimals_and_structs_in_a_table(ask: Callable[..., str]) -> None:
    shown = ask("select 0.0::decimal(38,10) as d, {'n': 1.50::decimal(9,2)} as s, true as b", as_json=False)
    assert " 0 │" in shown
    assert '{"n":1.50}' in shown
    assert "true" in shown


def test_a_column_has_as_many_digits_as_one_of_its_values_needs(ask: Callable[..., str]) -> None:
    money = "select unnest([12.5, 3, null])::decimal(18,4) as d"
    assert [line.split()[1] for line in ask(money, as_json=False).splitlines()[3:6]] == [
        "12.50",
        "3.00",
        "NULL",
    ]
    moments = (
        "select unnest([timestamptz '2026-11-21 01:00:00+02', timestamptz '2026-11-21 01:00:00.25+02']) as t"
    )
    shown = ask(moments, as_json=False)
    assert "2026-11-20T23:00:00.000Z" in shown
    assert "2026-11-20T23:00:00.250Z" in shown
    assert "2026-11-20T23:00:00Z" in ask("select timestamptz '2026-11-21 01:00:00+02' as t", as_json=False)


def test_what_would_steer_the_terminal_is_written_out(ask: Callable[..., str]) -> None:
    shown = ask("select chr(27) || '[2J' as a, chr(8238) || 'x' || chr(10) as b", as_json=False)
    assert "\\u001b[2J" in shown
    assert "\\u202ex\\n" in shown
    assert "\x1b" not in shown


def test_a_wide_row_is_a_column_a_line_unless_it_shall_be_one(ask: Callable[..., str]) -> None:
    sql = "select repeat('x', 300) as long, 1 as short"
    assert ask(sql, as_json=False).splitlines()[0] == "row 1"
    assert ask(sql, as_json=False, wide=True).splitlines()[3].endswith("x │     1 │")


def test_csv_is_that_of_rfc_4180(ask: Callable[..., str]) -> None:
    sql = "select * from (values ('a,\"b\"', 1.50::decimal(9,2), true), (null, null, null), ('', 2, false)) t(x, \"y z\", b)"
    assert ask(sql, as_json=False, as_csv=True) == (
        'x,y z,b\n"a,""b""",1.50,true\n,,\n"",2.00,false\n'.replace("\n", "\r\n")
    )


def test_csv_has_no_formulas_and_numbers_stay_numbers(ask: Callable[..., str]) -> None:
    sql = "select * from (values ('=1+1', -5, -1.50::decimal(9,2), -0.5::double, '-7'), ('@a,b', 1, null, null, '-x')) t(\"=h\", i, d, f, s)"
    assert ask(sql, as_json=False, as_csv=True).split("\r\n") == [
        "'=h,i,d,f,s",
        "'=1+1,-5,-1.50,-0.5,-7",
        "\"'@a,b\",1,,,'-x",
        "",
    ]
    assert json.loads(ask("select '=1' as a")) == [{"a": "=1"}], "JSON has what is stored"


def test_parquet_holds_the_rows(ask: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "it's.parquet"
    assert json.loads(ask("select range as a, 1 as a from range(25000)", parquet=file)) == {
        "rows": 25_000,
        "file": str(file),
    }
    assert duckdb.execute(
        "SELECT count(*), sum(a), sum(a_1) FROM read_parquet(?)", [str(file)]
    ).fetchall() == [(25_000, 312_487_500, 25_000)]
    assert [one.name for one in tmp_path.iterdir()] == ["it's.parquet"]


@pytest.mark.parametrize(
    "sql",
    [
        "create table t (a integer)",
        "copy (select 1) to 'x.csv'",
        "explain analyze copy (select 1) to 'x.csv'",
        "explain (format json) create table t (a integer)",
        "insert into raw.events select 1",
        "attach 'x.db'",
        "install httpfs",
        "load httpfs",
        "set threads = 1",
        "/* - */ pragma threads = 1",
        "call pragma_version()",
        "begin",
    ],
)
def test_what_does_more_than_read_is_refused(ask: Callable[..., str], sql: str) -> None:
    with pytest.raises(RefusedError, match=r"[A-Z]+ is refused: queries only read"):
        ask(sql)


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("select merchnt from (select 1 as merchant)", "there is no column merchnt"),
        ("select 1; select 2", "millrace sql runs several"),
        ("pivot (select 1 as a) on a using count(*)", "PIVOT needs the values"),
        ("selec 1", 'Parser Error: syntax error at or near "selec"'),
        (" -- nothing", "there is no statement"),
    ],
)
def test_a_wrong_statement_is_a_sentence(ask: Callable[..., str], sql: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)):
        ask(sql)


def test_ctrl_c_stops_a_long_query(no_platform: None, capsys: pytest.CaptureFixture[str]) -> None:
    # A shell that starts the tests in the background has it ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        assert (
            run(["query", "select sum(a.range * b.range) from range(10000000) a, range(10000000) b"]) == 130
        )
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err.endswith("stopped\n")


def test_statements_of_a_pipe_run_one_after_the_other(
    no_platform: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "select 1 as a; select ';' as b -- ;\n, 2 as c\n;\n\\x\nselect 3 as d"
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert run(["sql", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines if line.startswith("[")] == [
        [{"a": 1}],
        [{"b": ";", "c": 2}],
        [{"d": 3}],
    ]
    monkeypatch.setattr("sys.stdin", io.StringIO("select x; select 2 as a;"))
    assert run(["sql"]) == 2, "the first that fails ends it"


@pytest.mark.parametrize(
    ("text", "done", "rest"),
    [
        ("select 1; select 2", ["select 1"], "select 2"),
        ("select ';", [], "select ';"),
        ('select "a;b"; ;', ['select "a;b"'], ""),
        ("select 1 /* ; ", [], "select 1 /* ;"),
        ("-- a;\nselect $$;$$;", ["-- a;\nselect $$;$$"], ""),
    ],
)
def test_a_semicolon_ends_a_statement_where_it_is_one(text: str, done: list[str], rest: str) -> None:
    assert split(text) == (done, rest)


def test_what_python_cannot_hold_is_a_sentence(no_platform: None) -> None:
    with pytest.raises(UsageError, match="cast it to VARCHAR"):
        command.query("select interval 5000000 year as i", as_json=True)


@pytest.mark.parametrize(
    ("line", "whole"),
    [
        ("show tables", True),
        (" SHOW  TABLES ", True),
        ("describe silver.order_created_v1", True),
        ('summarize "silver"."a"', True),
        ("select 1", False),
        ("describe silver.a where", False),
        ("show tables from", False),
    ],
)
def test_what_people_type_without_a_semicolon_is_whole(line: str, whole: bool) -> None:
    assert bool(shell._WHOLE.fullmatch(line)) is whole
