"""The process that runs a text, as it stands behind the judgement: were something let through, it would find nothing there."""

import dataclasses
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from millrace.queries import runner
from millrace.queries.errors import SlowQueryError, SqlError
from millrace.queries.functions import REVIEWED, SCALARS, TABLE_FUNCTIONS
from millrace.queries.sandbox import Task, connect


@pytest.fixture
def task(tmp_path: Path) -> Task:
    file = tmp_path / "box.duckdb"
    duckdb.connect(str(file)).close()
    return Task(str(file), "select 1", 10, 1_000, False, 500, 1, 100, str(tmp_path / "spill"))


@pytest.mark.parametrize(
    "text",
    [
        "select * from read_text('/etc/passwd')",
        "select * from glob('/*')",
        "select * from read_csv('s3://lake/x')",
        "attach '/tmp/other.duckdb'",
        "copy (select 1) to '/tmp/x.csv'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "set memory_limit = '100GB'",
        "create secret (type s3)",
        "export database '/tmp/x'",
    ],
)
def test_it_reaches_nothing_and_changes_no_setting(task: Task, text: str) -> None:
    with connect(task) as connection, pytest.raises(duckdb.Error):
        connection.execute(text).fetchall()


def test_it_has_nothing_of_our_environment(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "top-secret")
    shown = tmp_path / "shown"
    # In the place of the process: one that writes down what it was given.
    script = f"import os; open({str(shown)!r}, 'w').write(repr(dict(os.environ))); print('{{}}')"
    real = subprocess.Popen

    def started(command: list[str], **how: Any) -> Any:
        return real([command[0], "-c", script], **how)

    monkeypatch.setattr(subprocess, "Popen", started)
    runner.run(task, lambda: None)
    assert "top-secret" not in shown.read_text()
    assert "PYTHONPATH" in shown.read_text()
    assert "AWS_" not in shown.read_text()


def test_it_is_ended_when_it_may_not_go_on(task: Task) -> None:
    def never() -> None:
        raise SlowQueryError("over")

    endless = dataclasses.replace(
        task, text="select sum(a.range * b.range) from range(100000000) a, range(100000000) b"
    )
    with pytest.raises(SlowQueryError, match="over"):
        runner.run(endless, never)
    with pytest.raises(SqlError, match="Parser"):
        runner.run(dataclasses.replace(task, text="selec"), lambda: None)


def test_the_list_of_functions_is_that_of_the_duckdb_that_runs() -> None:
    """Whoever installs another version looks at what is new in it before the list is taken for it."""
    assert duckdb.__version__ == REVIEWED
    known = {
        str(name).lower()
        for (name,) in duckdb.execute("SELECT function_name FROM duckdb_functions()").fetchall()
    }
    assert known >= SCALARS | TABLE_FUNCTIONS
    assert not {
        name
        for name in SCALARS
        if name.startswith(("read_", "duckdb_", "pragma_", "parquet_", "pg_", "current_setting"))
    }
