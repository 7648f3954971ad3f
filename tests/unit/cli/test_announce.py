"""`millrace contracts announce` and `status`: from a new major to the end of the old one, in a repository of its own."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.announcement import with_end
from cli.commands import contracts
from cli.consumers import Consumers
from cli.errors import CommandError, RefusedError
from cli.main import app
from cli.places import Places
from millrace.compiler.event_contracts import compile_contracts
from millrace.compiler.table_contracts import compile_tables
from millrace.contracts.retirement import Retirement
from millrace.core import clock
from tests.support.majors import FOLDER, RECORD, schemas_with_two_majors

ROOT = Path(__file__).parents[3]
ANNOUNCE = ("announce", "order.created", "--major", "2", "--decision", RECORD)
NOW = datetime(2028, 2, 15, 23, 59, 59, tzinfo=UTC)
FIRST = "2028-02-29"  # fourteen days later, in a leap year


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The clock, as a list of one moment that a test may replace."""
    moment = [NOW]
    monkeypatch.setattr(clock, "now", lambda: moment[0])
    return moment


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: list[datetime]) -> Path:
    """Some of the contracts, with a second major of `order.created` that is published."""
    root = tmp_path / "millrace"
    root.mkdir()
    monkeypatch.setattr(contracts, "checkout", lambda: Places(root))
    # Orders refer to users.
    schemas_with_two_majors(root, ("commerce", "identity"))
    assert run("publish")[0] == 0
    git(root, "init", "-q", "-b", "main")
    commit(root)
    return root


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True, timeout=60)


def commit(root: Path) -> None:
    git(root, "add", ".")
    git(root, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "next")


def run(*arguments: str) -> tuple[int, Any]:
    done = CliRunner().invoke(app, ["contracts", *arguments, "--json"])
    return done.exit_code, json.loads(done.stdout.splitlines()[-1]) if done.stdout else done.exception


def refused(*arguments: str) -> str:
    code, error = run(*arguments)
    assert code != 0
    assert isinstance(error, CommandError)
    return str(error)


def breaking() -> list[tuple[str, str]]:
    return [(one["pointer"], one["kind"]) for one in run("diff", "HEAD")[1]["breaking"]]


def test_an_announced_end_passes_lint_and_gate_and_is_listed(repository: Path) -> None:
    assert run("status") == (0, {"changes": []})
    before = (repository / "schemas" / FOLDER / "v1.yaml").read_text().splitlines()
    change = {
        "contract": "order.created.v1",
        "to": "order.created.v2",
        "announced": "2028-02-15",
        "ends": FIRST,
        "consumers": [],
    }
    assert run(*ANNOUNCE, "--ends", FIRST) == (0, {"changes": [change]})
    after = (repository / "schemas" / FOLDER / "v1.yaml").read_text().splitlines()
    assert [line for line in before if line not in after] == ["version: 1.2.0"]
    assert [line for line in after if line not in before] == [
        "version: 1.2.1",
        f"  - {{property: retirement, value: {{announced: 2028-02-15, ends: {FIRST}, by: 2, decision: {RECORD}}}}}",
    ]
    assert "order.created: version 2 replaces version 1" in (repository / RECORD).read_text()
    assert "1.2.1 is not published" in refused("lint")
    assert run("publish")[0] == run("lint")[0] == 0
    assert breaking() == []
    assert run("status") == (0, {"changes": [change]})


def test_announcing_again_changes_nothing_and_postpones(repository: Path, now: list[datetime]) -> None:
    assert run(*ANNOUNCE, "--ends", FIRST)[0] == run("publish")[0] == 0
    (repository / RECORD).write_text("why")
    text = (repository / "schemas" / FOLDER / "v1.yaml").read_text()
    assert run(*ANNOUNCE, "--ends", FIRST)[0] == 0
    assert (repository / "schemas" / FOLDER / "v1.yaml").read_text() == text
    commit(repository)
    now[0] += timedelta(days=13)
    assert run(*ANNOUNCE, "--ends", "2028-03-01")[0] == run("publish")[0] == run("lint")[0] == 0
    assert "version: 1.2.2" in (repository / "schemas" / FOLDER / "v1.yaml").read_text()
    assert (repository / RECORD).read_text() == "why"
    (change,) = run("status")[1]["changes"]
    assert (change["announced"], change["ends"]) == ("2028-02-15", "2028-03-01")
    assert breaking() == []


def test_an_end_that_is_too_near_or_nearer_than_announced_is_refused(
    repository: Path, now: list[datetime]
) -> None:
    file = repository / "schemas" / FOLDER / "v1.yaml"
    text = file.read_text()
    assert "at least 14 days" in refused(*ANNOUNCE, "--ends", "2028-02-28")
    assert file.read_text() == text
    assert not (repository / RECORD).exists()
    assert run(*ANNOUNCE, "--ends", "2028-03-20")[0] == run("publish")[0] == 0
    commit(repository)
    assert "were told that it ends on 2028-03-20" in refused(*ANNOUNCE, "--ends", "2028-03-19")
    file.write_text(
        file.read_text().replace("ends: 2028-03-20", "ends: 2028-03-19").replace("1.2.1", "1.2.2")
    )
    assert breaking() == [("/retirement", "retirement")]


def test_a_backdated_announcement_wins_no_days(repository: Path) -> None:
    file = repository / "schemas" / FOLDER / "v1.yaml"
    end = f"  - {{property: retirement, value: {{announced: 2028-01-01, ends: 2028-02-28, by: 2, decision: {RECORD}}}}}\n"
    file.write_text(file.read_text().replace("1.2.0", "1.2.1") + end)
    assert breaking() == [("/retirement", "retirement")]


def test_the_file_goes_when_its_rows_are_gone(repository: Path, now: list[datetime]) -> None:
    assert run(*ANNOUNCE, "--ends", FIRST)[0] == run("publish")[0] == 0
    commit(repository)
    (contract,) = [one for one in compile_contracts(repository / "schemas") if one.name == "order.created.v1"]
    (repository / "schemas" / FOLDER / "v1.yaml").unlink()
    end = datetime.fromisoformat(f"{FIRST}T00:00:00+00:00")
    now[0] = end - timedelta(seconds=1)
    assert breaking() == [("", "removed")]
    now[0] = end + timedelta(days=contract.retention_days)
    assert breaking() == [("", "removed")]
    now[0] += timedelta(days=1)
    assert breaking() == []
    assert run("lint")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (
            ("announce", "order.lost", "--major", "2", "--decision", RECORD, "--ends", FIRST),
            "no contract describes",
        ),
        (
            ("announce", "order.created", "--major", "3", "--decision", RECORD, "--ends", FIRST),
            "v3.yaml, first",
        ),
        (
            ("announce", "order.created", "--major", "1", "--decision", RECORD, "--ends", FIRST),
            "no older version",
        ),
        ((*ANNOUNCE, "--ends", "2028-02-30"), "there is no day 2028-02-30"),
        ((*ANNOUNCE, "--ends", "soon"), "ends is a day"),
        (
            ("announce", "order.created", "--major", "2", "--decision", "../secret.md", "--ends", FIRST),
            "decision is the path",
        ),
    ],
)
def test_what_cannot_be_announced_is_said_in_a_sentence(
    repository: Path, arguments: tuple[str, ...], part: str
) -> None:
    assert part in refused(*arguments)


def test_a_record_that_is_gone_is_named(repository: Path) -> None:
    assert run(*ANNOUNCE, "--ends", FIRST)[0] == run("publish")[0] == 0
    (repository / RECORD).unlink()
    assert f"there is no file {RECORD}" in refused("lint")


def test_people_read_days_left_and_consumers(repository: Path, now: list[datetime]) -> None:
    file = repository / "schemas" / FOLDER / "v1.yaml"
    declared = "  - {property: consumers, value: [{name: billing, contact: billing@example.org}]}\n"
    file.write_text(file.read_text().replace("1.2.0", "1.2.1") + declared)
    said = CliRunner().invoke(app, ["contracts", *ANNOUNCE, "--ends", FIRST])
    assert said.exit_code == 0
    assert "billing (billing@example.org)" in said.stdout
    assert "- billing (billing@example.org)" in (repository / RECORD).read_text()
    shown = CliRunner().invoke(app, ["contracts", "status"]).stdout
    assert shown.splitlines() == [
        f"order.created.v1 ends on {FIRST} for v2 (14 days left)",
        "  billing (billing@example.org)",
    ]
    now[0] = datetime(2028, 2, 29, tzinfo=UTC)
    assert "it has ended" in CliRunner().invoke(app, ["contracts", "status"]).stdout


@pytest.mark.parametrize(
    "text",
    [
        "version: 1.0.0\ncustomProperties: [{property: category, value: x}]\n",
        "version: 1.0.0\ncustomProperties:\n  - property: retirement\n    value: {ends: 2028-01-01}\n",
    ],
)
def test_a_file_of_another_layout_is_left_to_people(text: str) -> None:
    end = Retirement(NOW.date(), NOW.date() + timedelta(days=20), 2, RECORD)
    with pytest.raises(RefusedError, match=r"add to customProperties: - \{property: retirement"):
        with_end(text, end, "1.0.1")


def test_comments_and_what_follows_stay_as_they_are() -> None:
    text = (
        "version: 1.0.0  # the first\n# before\ncustomProperties:\n  # inside\n  - {property: category, value: x}\n"
        "  - property: rules\n    value:\n      - {kind: sum}\n\n# behind\nslaProperties: []\n"
    )
    end = Retirement(NOW.date(), NOW.date() + timedelta(days=20), 2, RECORD)
    line = f"  - {{property: retirement, value: {{announced: 2028-02-15, ends: 2028-03-06, by: 2, decision: {RECORD}}}}}\n"
    made = with_end(text, end, "1.0.1")
    assert made == text.replace("version: 1.0.0", "version: 1.0.1").replace(
        "- {kind: sum}\n", f"- {{kind: sum}}\n{line}"
    )
    later = Retirement(end.announced, end.ends + timedelta(days=1), 2, RECORD)
    assert with_end(made, later, "1.0.2") == made.replace("1.0.1", "1.0.2").replace(
        "2028-03-06", "2028-03-07"
    )


def test_lineage_names_the_readers_and_their_owners() -> None:
    found = compile_contracts(ROOT / "schemas")
    consumers = Consumers(ROOT, found, compile_tables(ROOT / "schemas"))
    readers = {
        one.event_type: {reader["name"]: reader["contact"] for reader in consumers.of(one)} for one in found
    }
    orders = readers["order.created"]
    assert orders["marts.orders_enriched"]
    assert orders["exposure.revenue_overview"] == "finance-analytics"
    assert "fraud rules" not in orders
    payments = readers["transaction.created"]
    assert {"fraud rules", "features.user_features", "marts.fct_transactions"} <= set(payments)
    assert all(contact for of_type in readers.values() for contact in of_type.values())
