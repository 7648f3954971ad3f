"""`make bench-fraud` on made-up card transactions: some terminals are compromised for weeks, some amounts are large."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from bench.quality import __main__ as benchmark
from bench.quality import cards
from millrace.training.algorithms import LOGISTIC_REGRESSION, Algorithm

DAYS = {"train-from": "2018-05-01", "train-to": "2018-05-07", "test-from": "2018-05-15", "test-to": "2018-05-21"}  # fmt: skip


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"n_estimators": 10, "min_samples_leaf": 2}
    few = (LOGISTIC_REGRESSION, Algorithm("random_forest", (settings,)))
    monkeypatch.setattr(benchmark, "ALGORITHMS", few)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("cards")
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(f"""
            COPY (
                SELECT *, amount > 220 OR compromised AS is_fraud, CAST(hash(i) % 4 AS TINYINT) AS fraud_scenario
                FROM (
                    SELECT i, CAST(i AS INTEGER) AS transaction_id,
                        make_timestamp(1522540800000000 + CAST(i AS BIGINT) * 432000000) AS timestamp,
                        CAST(hash(i * 3) % 900 AS SMALLINT) AS customer_id,
                        CAST(hash(i * 5) % 60 AS SMALLINT) AS terminal_id,
                        CASE WHEN hash(i * 7) % 300 = 0 THEN 250.0 ELSE 10 + hash(i * 11) % 100 END AS amount,
                        hash(i * 5) % 60 = (i // 4000) % 60 AS compromised
                    FROM range(11000) AS t(i)))
            TO '{made}/2018.parquet'""")
    return made


def asked(folder: Path, delay: int = 7, **changed: str) -> list[str]:
    days = {**DAYS, **{name.replace("_", "-"): day for name, day in changed.items()}}
    return ["--data", str(folder), "--delay", str(delay), *(part for name, day in days.items() for part in (f"--{name}", day))]  # fmt: skip


def test_it_ends_with_the_figures_of_each_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main(asked(folder)) == 0
    models = json.loads(capsys.readouterr().out.splitlines()[-1])["models"]
    assert set(models) == {"logistic_regression", "random_forest"}
    for figures in models.values():
        assert set(figures) == {"auc_roc", "average_precision", "card_precision_at_100"}
        assert figures["auc_roc"] > 0.7
        assert all(0 <= figure <= 1 for figure in figures.values())


def test_the_scenario_is_never_read(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(
            f"COPY (SELECT * EXCLUDE (fraud_scenario, i) FROM '{folder}/*.parquet') TO '{tmp_path}/a.parquet'"
        )
    assert benchmark.main(asked(folder)) == 0
    with_it = capsys.readouterr().out
    assert benchmark.main(asked(tmp_path)) == 0
    assert capsys.readouterr().out == with_it


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "arguments are required: --data, --train-from"),
        (["--data", "."], "arguments are required"),
        (asked(Path("/nowhere")), "no Parquet file in /nowhere"),
        (asked(Path(), train_from="yesterday"), "'yesterday' is not a day"),
        (asked(Path(), test_from="2018-05-10"), "are known after 2018-05-14"),
        (asked(Path(), train_to="2018-04-01"), "ends before it begins"),
        (asked(Path(), delay=-1), "not known before its transaction"),
    ],
)
def test_called_wrongly_it_says_how(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        benchmark.main(arguments)
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert says in printed
    assert "make bench-fraud DATA=FOLDER" in printed


def test_other_columns_are_named(tmp_path: Path) -> None:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(f"COPY (SELECT 1 AS customer_id, 2 AS amount) TO '{tmp_path}/a.parquet'")
    with pytest.raises(cards.DataError, match="no column is_fraud, terminal_id, timestamp, transaction_id"):
        cards.connect(tmp_path, date(2018, 5, 1), tmp_path)


def test_days_without_transactions_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    later: dict[str, Any] = {
        "train_from": "2019-05-01",
        "train_to": "2019-05-07",
        "test_from": "2019-05-15",
        "test_to": "2019-05-21",
    }
    with pytest.raises(SystemExit) as ended:
        benchmark.main(asked(folder, **later))
    assert ended.value.code == 2
    assert "no transaction in the training days 2019-05-01…2019-05-07" in capsys.readouterr().err
