"""`millrace query` on DuckDB alone: every column and value of an answer is shown, in JSON and in a table."""

import json
from collections.abc import Callable
from typing import Any

import duckdb
import pytest

from cli import lake
from cli.commands import query as command
from cli.errors import UsageError
from cli.output import counted
from cli.target import Target

pytestmark = pytest.mark.unit


@pytest.fixture
def no_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    """The statement needs no table."""
    target = object.__new__(Target)
    monkeypatch.setattr(command, "find_target", lambda _: target)
    monkeypatch.setattr(lake, "_connect", lambda connection, _: connection.execute("SET TimeZone = 'UTC'"))


@pytest.fixture
def ask(no_platform: None, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def asked(sql: str, *, as_json: bool = True) -> str:
        command.query(sql, as_json=as_json)
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
        ("create table t (a integer)", []),
    ],
)
def test_nothing_of_an_answer_is_lost(
    ask: Callable[..., str], sql: str, rows: list[dict[str, Any]] | None
) -> None:
    document = ask(sql).splitlines()[-1]

    def refuse(_: str) -> None:
        raise AssertionError("NaN is no JSON")

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
        assert lake.distinct(column[0] for column in given) == [column[0] for column in own]


def test_decimals_and_structs_in_a_table(ask: Callable[..., str]) -> None:
    shown = ask("select 0.0::decimal(38,10) as d, {'n': 1.50::decimal(9,2)} as s, true as b", as_json=False)
    assert "0.0000000000" in shown
    assert '{"n":1.50}' in shown
    assert "True" in shown


def test_what_python_cannot_hold_is_a_sentence(no_platform: None) -> None:
    with pytest.raises(UsageError, match="cast it to VARCHAR"):
        command.query("select interval 5000000 year as i", as_json=True)
