"""Back-tests: the numbers are a brute force's, the source says what it lacks, wrong rules are refused."""

import json
import math
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from cli import output
from cli.commands import backtest
from cli.commands.backtest import rules_of
from cli.errors import UsageError
from cli.history import plots
from cli.history.source import History
from cli.main import run
from cli.places import Places
from millrace.fraud.backtest import Backtest, Row
from millrace.fraud.changes import changes
from millrace.fraud.rules import TransactionFacts

RULES = Path(__file__).parents[3] / "schemas/fraud/rules.yaml"
START = datetime(2018, 4, 1, tzinfo=UTC)


def card_data(folder: Path, count: int = 3000) -> list[dict[str, Any]]:
    """Two files with the columns of card data, in no order."""
    rng = random.Random(3)
    rows = [
        {
            "transaction_id": number,
            "timestamp": (START + timedelta(seconds=rng.randrange(86_400))).replace(tzinfo=None),
            "customer_id": rng.randrange(40),
            "terminal_id": rng.randrange(20),
            "amount": rng.choice([12.5, 220.01, 5000.0, 5000.01]),
            "is_fraud": rng.random() < 0.1,
        }
        for number in range(count)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("a", rows[: count // 2]), ("b", rows[count // 2 :])):
        pq.write_table(pa.Table.from_pylist(part), folder / f"{name}.parquet")
    return rows


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    # A report is never written twice.
    for file in (Path(arguments[at + 1]) for at, one in enumerate(arguments) if one == "--report"):
        file.unlink(missing_ok=True)
    code = run(["backtest", "--json", *arguments])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    return json.loads(printed.out.splitlines()[-1])


def changed(folder: Path, name: str, **settings: Any) -> str:
    """The rules with other points or thresholds of the factor high_amount."""
    document = yaml.safe_load(RULES.read_text())
    document["factors"][1].update(settings)
    path = folder / name
    path.write_text(yaml.safe_dump(document))
    return str(path)


def test_a_tenant_is_judged_by_its_own_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = card_data(tmp_path / "data", 100)
    both = [{**row, "org_id": org} for row in rows for org in ("org_a", "org_b")]
    pq.write_table(pa.Table.from_pylist(both), tmp_path / "both.parquet")
    document = yaml.safe_load(RULES.read_text())
    document["tenants"] = [{"org": "org_a", "factors": [{"factor": "high_amount", "threshold": 0}]}]
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump(document))
    files = {"--data": "both.parquet", "--rules": "rules.yaml", "--report": "report.html"}
    options = [part for name, file in files.items() for part in (name, str(tmp_path / file))]
    own = asked(capsys, *options, "--org", "org_a")
    assert (own["rulesVersion"], own["byFactor"]["high_amount"]) == ("1.0.0+org_a", len(rows))
    other = asked(capsys, *options, "--org", "org_b")
    assert (other["rulesVersion"], other["byFactor"]["high_amount"] < len(rows)) == ("1.0.0", True)


def brute_force(rows: Sequence[dict[str, Any]], threshold: float, points: int) -> list[int]:
    ordered = sorted(rows, key=lambda row: row["timestamp"])
    scores = []
    for position, row in enumerate(ordered):
        after = row["timestamp"] - timedelta(minutes=30)
        velocity = sum(
            other["customer_id"] == row["customer_id"] and other["timestamp"] > after
            for other in ordered[: position + 1]
        )
        hour, weekday = row["timestamp"].hour, row["timestamp"].weekday()
        score = points * (row["amount"] > threshold) + 10 * (hour >= 23 or hour < 5) + 5 * (weekday >= 5)
        scores.append(score + 25 * (velocity > 5))
        row["score"] = scores[-1]
    return scores


def test_the_numbers_are_those_of_a_brute_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = card_data(tmp_path / "data")
    scores = brute_force(rows, 220, 50)
    rules = changed(tmp_path, "rules.yaml", threshold=220, points=50)
    report = tmp_path / "report.html"
    found = asked(
        capsys,
        "--data",
        str(tmp_path / "data"),
        "--rules",
        rules,
        "--baseline",
        str(RULES),
        "--report",
        str(report),
    )
    alerts = [row for row in rows if row["score"] >= 50]
    caught = [row for row in alerts if row["is_fraud"]]
    fraud = [row for row in rows if row["is_fraud"]]
    assert found["rows"] == len(rows)
    assert found["precision"] == pytest.approx(len(caught) / len(alerts), abs=1e-6)
    assert found["recall"] == pytest.approx(len(caught) / len(fraud), abs=1e-6)
    assert found["f1"] == pytest.approx(2 * len(caught) / (len(alerts) + len(fraud)), abs=1e-5)
    assert found["alertRate"] == pytest.approx(len(alerts) / len(rows), abs=1e-6)
    assert found["money"]["caught"] == pytest.approx(sum(row["amount"] for row in caught), abs=1e-6)
    assert found["byClass"] == {
        "CRITICAL": sum(score >= 75 for score in scores),
        "HIGH": sum(50 <= score < 75 for score in scores),
        "MEDIUM": sum(25 <= score < 50 for score in scores),
        "LOW": sum(10 <= score < 25 for score in scores),
        "MINIMAL": sum(score < 10 for score in scores),
    }
    assert found["byFactor"]["high_amount"] == sum(row["amount"] > 220 for row in rows)
    assert found["byFactor"]["weekend"] == len(rows)
    assert set(found["off"]) == {"known_fraud", "crypto_payment", "high_risk_country"}
    assert found["difference"]["recall"] == pytest.approx(
        found["recall"] - found["baseline"]["recall"], abs=1e-6
    )
    page = report.read_text()
    assert page.count("<svg") == 4
    assert "http" not in page.replace("http://www.w3.org/2000/svg", ""), "nothing is loaded from anywhere"
    assert "no column for payment_method" in page


def test_the_label_fires_only_when_turned_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card_data(tmp_path / "data", 200)
    arguments = (
        "--data",
        str(tmp_path / "data"),
        "--rules",
        str(RULES),
        "--report",
        str(tmp_path / "r.html"),
    )
    assert asked(capsys, *arguments)["byFactor"]["known_fraud"] == 0
    found = asked(capsys, *arguments, "--label-fires")
    assert found["recall"] == 1.0
    assert "known_fraud" not in found["off"]


def test_silver_transactions_bring_their_offset_and_their_country(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        # Saturday morning in UTC, Friday evening in California: no weekend, no night.
        ("2026-11-21T04:30:00Z", "2026-11-20T20:30:00-08:00", "Yangon, Burma", "CRYPTO"),
        ("2026-11-18T12:00:00Z", "2026-11-18T23:00:00+11:00", "Lisbon", None),
        ("2026-11-18T12:00:01Z", "2026-11-18T12:00:01.123456789Z", None, "card"),
    ]
    table = [
        {
            "event_id": str(number),
            "event_time": datetime.fromisoformat(at),
            "timestamp": text,
            "user_id": 7,
            "user_key": "7",
            "amount": 6000.0,
            "payment_method": method,
            "location": location,
            "is_fraud": None if number else True,
        }
        for number, (at, text, location, method) in enumerate(rows)
    ]
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "silver.parquet")
    found = asked(capsys, "--data", str(tmp_path / "silver.parquet"), "--report", str(tmp_path / "r.html"))
    assert found["byFactor"] == {
        "known_fraud": 0,
        "high_amount": 3,
        "crypto_payment": 1,
        "high_risk_country": 1,
        "late_night": 1,
        "weekend": 0,
        "velocity": 0,
    }
    assert set(found["off"]) == {"known_fraud"}
    assert found["notes"] == []
    assert (found["precision"], found["recall"]) == (1.0, 1.0)


ODD = (math.nan, math.inf, -math.inf)


@pytest.mark.parametrize("kind", ["double", "text"])
def test_what_is_no_number_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    """As pandas writes it: NaN where others have null, in amounts, users, labels and texts alike."""
    noon = datetime(2026, 11, 18, 12)  # noqa: DTZ001  as pandas has it
    odd = [*ODD] * 3
    rows = [
        {"user_id": value, "amount": value, "is_fraud": value, "payment_method": math.nan} for value in odd
    ]
    rows += [{"user_id": 42.0, "amount": 6000.0, "is_fraud": 1.0, "payment_method": math.nan}]
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in rows[0]}
    if kind == "text":
        columns = {
            "user_id": [*[None] * 9, "42"],
            "amount": [*map(str, odd[:6]), "", " ", "", "6000.00"],
            "is_fraud": [*map(str, odd[:6]), "", "", "", "true"],
            "payment_method": [""] * 10,
        }
    columns["timestamp"] = [noon] * len(rows)
    pq.write_table(pa.table(columns), tmp_path / "odd.parquet")
    found = asked(
        capsys,
        *("--data", str(tmp_path / "odd.parquet"), "--report", str(tmp_path / "r.html"), "--label-fires"),
        *("--rules", str(RULES)),
    )
    assert {name: count for name, count in found["byFactor"].items() if count} == {
        "known_fraud": 1,
        "high_amount": 1,
    }
    assert (found["rows"], found["fraud"], found["money"]["fraud"]) == (10, 1, 6000.0)


def test_rows_that_another_source_made_are_read_alike() -> None:
    test = Backtest(rules_of(RULES), label_fires=True)
    odd: Any
    for odd in (*ODD, Decimal("NaN"), None):
        test.add([Row(0, 12, 2, odd, odd, odd, odd, odd)] * 7)
    test.add([Row(0, 12, 2, "", None, "", "", None)] * 7)
    found = test.result(["amount", "moment", "user", "payment_method", "country"])
    assert (found["rows"], found["fraud"], set(found["byFactor"].values())) == (42, 0, {0})


def test_a_rule_on_amounts_fires_on_no_infinity() -> None:
    rules = rules_of(RULES)
    for odd in ODD:
        assert rules.judge(TransactionFacts(amount=odd)).score == 0
    assert rules.judge(TransactionFacts(amount=5000.01)).score == 30


def test_rows_without_a_moment_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {
        "timestamp": ["2026-11-18T12:00:00Z", "", None],
        "is_fraud": [True, True, False],
        "amount": [1.0] * 3,
    }
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    found = asked(capsys, "--data", str(tmp_path / "a.parquet"), "--report", str(tmp_path / "r.html"))
    assert (found["rows"], found["notes"]) == (1, ["2 rows without a time left out"])


def test_tenants_are_tested_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Seven transactions of user 1 in a minute, but no tenant has more than four of them."""
    rows = {
        "org_id": ["org_acme", "org_globex"] * 3 + ["org_acme"],
        "timestamp": [f"2026-11-18T12:00:0{n}Z" for n in range(7)],
        "user_id": [1] * 7,
        "amount": [1.0] * 7,
        "is_fraud": [False] * 7,
    }
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    data, report = ("--data", str(tmp_path / "a.parquet")), ("--report", str(tmp_path / "r.html"))
    capsys.readouterr()
    assert run(["backtest", *data, *report]) == 2
    assert (
        "rows of several tenants (org_acme, org_globex): name one with --org"
        in capsys.readouterr().err.replace("\n", " ")
    )
    for org, count in (("org_acme", 4), ("org_globex", 3), ("org_'", 0)):
        found = asked(capsys, *data, *report, "--org", org)
        assert (found["rows"], found["byFactor"]["velocity"]) == (count, 0)


def test_what_cannot_be_tested_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card_data(tmp_path / "data", 10)
    data = str(tmp_path / "data")
    report = ("--report", str(tmp_path / "r.html"))
    wrong = changed(tmp_path, "wrong.yaml", factor="luck")
    no_label = tmp_path / "bare.parquet"
    pq.write_table(pa.table({"timestamp": [START]}), no_label)
    (tmp_path / "text.parquet").write_text("no Parquet")
    (tmp_path / "empty").mkdir()
    rows = {"timestamp": ["yesterday"], "is_fraud": [True]}
    pq.write_table(pa.table(rows), tmp_path / "words.parquet")
    for arguments, printed in (
        (("--data", str(tmp_path / "words.parquet")), "yesterday"),
        (("--data", data, "--org", "org_acme"), "no column org_id"),
        (("--data", data, "--rules", wrong), "there is no such factor"),
        (("--data", data, "--rules", "absent.yaml"), "cannot be read"),
        (("--data", data, "--alert", "PURPLE"), "no class PURPLE"),
        (("--data", str(no_label)), "no column is_fraud"),
        (("--data", str(tmp_path / "empty")), "no Parquet"),
        (("--data", str(tmp_path / "absent.parquet")), "there is no"),
        (("--data", str(tmp_path / "text.parquet")), "cannot be read"),
    ):
        capsys.readouterr()
        assert run(["backtest", *arguments, *report]) == 2
        assert printed in capsys.readouterr().err.replace("\n", " ")


def test_rows_come_in_the_order_of_time_whatever_the_files_are(tmp_path: Path) -> None:
    card_data(tmp_path / "data")
    history = History(tmp_path / "data")
    moments = [row.moment_ms for batch in history.batches() for row in batch]
    assert moments == sorted(moments)
    assert len(moments) == history.count() == 3000
    with pytest.raises(UsageError):
        History(tmp_path / "nothing.parquet")


def brute_examples(rows: Sequence[dict[str, Any]], wanted: Callable[[dict[str, Any]], bool]) -> list[float]:
    return sorted((row["amount"] for row in rows if wanted(row)), reverse=True)


def test_examples_are_those_of_most_money_and_say_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = card_data(tmp_path / "data", 600)
    brute_force(rows, 5000, 30)
    for row in rows:
        row["before"] = row["score"]
    brute_force(rows, 220, 50)
    rules = changed(tmp_path, "rules.yaml", threshold=220, points=50)
    files = ("--data", str(tmp_path / "data"), "--rules", rules, "--baseline", str(RULES))
    found = asked(capsys, *files, "--report", str(tmp_path / "r.html"))
    wanted: dict[str, Callable[[dict[str, Any]], bool]] = {
        "caught": lambda row: row["is_fraud"] and row["score"] >= 50,
        "missed": lambda row: row["is_fraud"] and row["score"] < 50,
        "stoppedInError": lambda row: not row["is_fraud"] and row["score"] >= 50,
        "newlyCaught": lambda row: row["is_fraud"] and row["score"] >= 50 > row["before"],
        "newlyMissed": lambda row: row["is_fraud"] and row["score"] < 50 <= row["before"],
        "newlyStoppedInError": lambda row: not row["is_fraud"] and row["score"] >= 50 > row["before"],
        "noLongerStoppedInError": lambda row: not row["is_fraud"] and row["score"] < 50 <= row["before"],
    }
    assert list(found["examples"]) == list(wanted)
    by_id = {str(row["transaction_id"]): row for row in rows}
    for kind, chosen in wanted.items():
        amounts = brute_examples(rows, chosen)
        kept = found["examples"][kind]
        assert kept["count"] == len(amounts)
        assert [one["amount"] for one in kept["items"]] == amounts[:10]
        for one in kept["items"]:
            row = by_id[one["transaction"]]
            assert (one["amount"], one["score"]) == (row["amount"], row["score"])
            assert sum(reason["points"] for reason in one["reasons"]) == one["score"]
    times = sorted(row["timestamp"] for row in rows)
    assert found["data"]["from"] == times[0].isoformat() + ".000Z"
    assert found["data"]["to"] == times[-1].isoformat() + ".000Z"
    assert found["rules"]["changes"] == ["high_amount: points 30 → 50", "high_amount: threshold 5,000 → 220"]


def test_a_report_is_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card_data(tmp_path / "data", 20)
    arguments = ["backtest", "--data", str(tmp_path / "data")]
    (tmp_path / "schemas/fraud").mkdir(parents=True)
    (tmp_path / "schemas/fraud/rules.yaml").write_text(RULES.read_text())
    mine = tmp_path / "mine.html"
    mine.write_text("of yesterday")
    assert run([*arguments, "--out", str(mine)]) == 2
    assert "exists already: name another file with --out" in capsys.readouterr().err.replace("\n", " ")
    assert mine.read_text() == "of yesterday"

    class Now(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Now":
            return cls(2026, 11, 21, 6, tzinfo=tz)

    monkeypatch.setattr(backtest, "datetime", Now)
    monkeypatch.setattr(backtest, "checkout", lambda: Places(tmp_path))
    for _ in range(3):
        assert run(arguments) == 0
    names = sorted(file.name for file in (tmp_path / ".local/reports").iterdir())
    assert names == [f"backtest-1.0.0-20261121T060000Z{more}.html" for more in ("-2", "-3", "")]


def test_a_person_reads_it_in_80_columns_and_nothing_steers_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {
        "transaction_id": ["\x1b[2J<b>", "x" * 5000, None],
        "timestamp": ["2026-11-18T12:00:00Z"] * 3,
        "amount": [6000.0, math.nan, None],
        "payment_method": ["crypto", "card", None],
        "is_fraud": [True, True, False],
    }
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    monkeypatch.setattr(output.out, "width", 80)
    page = tmp_path / "r.html"
    assert (
        run(["backtest", "--data", str(tmp_path / "a.parquet"), "--rules", str(RULES), "--out", str(page)])
        == 0
    )
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "They catch 1 of 2 frauds (50.0%), 6,000.00 of 6,000.00 in money (100.0%)" in printed.replace(
        "\n", " "
    )
    assert "\\u001b[2J<b>  2026-11-18T12:00:00.000Z  6,000.00" in printed
    assert "no amount" in printed
    written = page.read_text()
    assert "<b>" not in written
    assert "prefers-color-scheme:dark" in written
    assert len(written) < 60_000


def test_changes_of_rules_are_sentences() -> None:
    before = {
        "factors": {"a": {"points": 1, "hours": [1, 2]}, "b": {"points": 2}},
        "classes": [{"class": "HIGH", "from": 50}, {"class": "LOW", "from": 0}],
        "countries": ["kp"],
    }
    after = {
        "factors": {"a": {"points": 1.5, "hours": [2, 3]}, "c": {"points": 4}},
        "classes": [{"class": "HIGH", "from": 40}, {"class": "MID", "from": 10}],
        "countries": ["ir"],
    }
    assert changes(before, before) == []
    assert changes(before, after) == [
        "a: points 1 → 1.5",
        "a: hours: added 3",
        "a: hours: removed 1",
        "b: removed",
        "c: added, points 4",
        "class HIGH: from 50 → 40",
        "class LOW: from 0 → none",
        "class MID: from none → 10",
        "countries of high risk: added ir",
        "countries of high risk: removed kp",
    ]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 75, [0, 20, 40, 60]),
        (0, 227_000, [0, 50_000, 100_000, 150_000, 200_000]),
        (20_000, 20_000, [20_000]),
        (0, 0.003, [0, 0.001, 0.002, 0.003]),
    ],
)
def test_the_values_at_an_axis_are_round(low: float, high: float, expected: list[float]) -> None:
    assert plots.ticks(low, high) == expected
    assert all(one == int(one) for one in plots.ticks(low, high, whole=True))
