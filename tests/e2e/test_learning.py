"""Learning on the deployed platform: from accepted payments to a champion, moved by people, each move an event."""

import json
import sys
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli import notebook
from cli.places import checkout
from tests.e2e.conftest import ROOT, command
from tests.support.client import Client, eventually
from tests.support.histories_of_payments import payments

# The first one waits for the deploy; a training brings weeks of days into the lake first.
pytestmark = pytest.mark.timeout(900)
DAYS, A_DAY = 22, 60
# Tenants of this session's own: other tests of the platform have others, and no payment of theirs is seen.
OLD, YOUNG = (f"shop_{name}_{uuid.uuid4().hex[:6]}" for name in ("old", "young"))


class Shop:
    """The command line and the API, as this module's tenants use them."""

    def __init__(self, client: Client, environ: dict[str, str]) -> None:
        self.client, self.environ = client, environ
        self.keys = {
            org: self.millrace("keys", "create", "--org", org, "--name", "e2e")["key"] for org in (OLD, YOUNG)
        }

    def millrace(self, *arguments: str, code: int = 0, seconds: float = 500) -> dict[str, Any]:
        """The document of a command that ends so."""
        done = command(*arguments, "--json", environ=self.environ, seconds=seconds)
        assert done.returncode == code, done.stdout + done.stderr
        document: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return document

    def send(self, org: str, sent: list[dict[str, Any]]) -> None:
        """Sends events, and waits until each is in raw."""
        for start in range(0, len(sent), 500):
            answer = self.client.call(
                "POST", "/v1/events", key=self.keys[org], body=sent[start : start + 500]
            )
            assert answer.body["accepted"] == len(sent[start : start + 500]), answer.body
        wanted = {(org, one["eventId"]) for one in sent}
        # Not by `millrace query`: a look would be a process of its own, and each takes a second of what is waited for.
        assert wanted <= eventually(lambda: set(self.client.raw()), wanted.issubset, seconds=180)

    def moves(self, org: str) -> list[tuple[int, str, str, str | None]]:
        """Move, reason, version and what it replaces, of each event that tells of one."""
        query = {
            "eventType": "ml.model.moved",
            "from": f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
            "to": f"{datetime.now(UTC) + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}",
        }
        items = self.client.call("GET", "/v1/events", key=self.keys[org], query=query).body["items"]
        messages = [item["data"]["payload"] for item in items]
        return sorted((one["move"], one["reason"], one["version"], one.get("replaces")) for one in messages)


@pytest.fixture(scope="module")
def shop(client: Client, environ: dict[str, str]) -> Shop:
    made = Shop(client, environ)
    today = datetime.now(UTC).date()
    made.send(OLD, list(payments(today, days=DAYS, a_day=A_DAY)))
    made.send(YOUNG, list(payments(today, days=3, a_day=20, seed=8)))
    run = made.millrace("etl")
    assert any(one["table"] == "marts.fct_transactions" for one in run["tables"])
    return made


@pytest.fixture(scope="module")
def trained(shop: Shop) -> dict[str, Any]:
    """What `millrace train` says."""
    return shop.millrace("train", "--org", OLD)


def test_a_training_registers_three_models_and_serves_the_best(shop: Shop, trained: dict[str, Any]) -> None:
    assert {one["name"] for one in trained["models"]} == {
        "logistic_regression",
        "random_forest",
        "gradient_boosting",
    }
    assert trained["status"] == "deployed"
    (champion,) = [one for one in trained["models"] if one["status"] == "champion"]
    assert champion["version"] == trained["champion"]
    assert all(gate["passed"] for gate in champion["gates"].values())
    assert champion["metrics"]["f1"] == max(
        one["metrics"]["f1"] for one in trained["models"] if one["status"] in ("champion", "candidate")
    )
    # Nobody runs MLflow here, and that is said and nothing else.
    assert champion["mlflow"].startswith("not logged: MLflow at http://127.0.0.1:")
    listed = shop.millrace("models", "list", "--org", OLD)
    assert listed["champion"] == champion["version"]
    assert {one["version"] for one in listed["models"]} == {"00000001", "00000002", "00000003"}
    card = shop.millrace("models", "show", champion["version"], "--org", OLD)["models"][0]["card"]
    assert (card["org"], card["run_id"], card["data"]) == (OLD, trained["runId"], "lake")
    assert shop.moves(OLD) == [(1, "deploy", champion["version"], None)]


def test_people_move_the_champion_and_every_move_is_an_event(shop: Shop, trained: dict[str, Any]) -> None:
    first = trained["champion"]
    other = next(one["version"] for one in trained["models"] if one["version"] != first)
    before = len(shop.moves(OLD))
    # Of the others each may or may not have passed.
    assert shop.millrace("models", "promote", other, "--force", "--org", OLD)["champion"] == other
    assert shop.millrace("models", "promote", other, "--force", "--org", OLD)["status"] == "unchanged"
    assert shop.millrace("models", "rollback", "--org", OLD)["champion"] == first
    assert "none was champion" in shop.millrace("models", "rollback", "--org", OLD, code=1)["error"]
    assert shop.moves(OLD)[before:] == [
        (before + 1, "promote", other, first),
        (before + 2, "rollback", first, other),
    ]


def test_a_tenant_with_too_little_history_is_told_what_it_needs(shop: Shop) -> None:
    completed = shop.millrace("train", "--org", YOUNG, code=1)["error"]
    assert "the first transaction is of" in completed
    assert "needs transactions since" in completed
    assert shop.millrace("models", "list", "--org", YOUNG)["models"] == []


def test_one_tenant_does_not_reach_the_others_models(shop: Shop, trained: dict[str, Any]) -> None:
    completed = shop.millrace("models", "promote", trained["champion"], "--force", "--org", YOUNG, code=1)
    assert f"{YOUNG} has no version {trained['champion']}" in completed["error"]
    assert "has no version" in shop.millrace("models", "show", "1", "--org", YOUNG, code=1)["error"]
    assert shop.moves(YOUNG) == []


def test_what_is_trained_on_files_is_judged_and_does_not_serve(
    shop: Shop, trained: dict[str, Any], tmp_path: Path
) -> None:
    """A folder as a simulation leaves it, of years ago."""
    before = shop.millrace("models", "list", "--org", OLD)["champion"]
    sent = [event["data"]["payload"] for event in payments(date(2018, 8, 1), days=DAYS, a_day=A_DAY, seed=9)]
    columns = {
        "transaction_id": [one["transaction_id"] for one in sent],
        "timestamp": [datetime.fromisoformat(one["timestamp"]).replace(tzinfo=None) for one in sent],
        "customer_id": [one["user_id"] for one in sent],
        "terminal_id": [one["merchant"] for one in sent],
        "amount": [one["amount"] for one in sent],
        "is_fraud": [one["is_fraud"] for one in sent],
    }
    pq.write_table(pa.table(columns), tmp_path / "2018-07.parquet")
    made = shop.millrace("train", "--org", OLD, "--data", str(tmp_path))
    assert (made["status"], made["champion"]) == ("trial", None)
    assert "trial" in {one["status"] for one in made["models"]} <= {"trial", "rejected"}
    trial = next(one["version"] for one in made["models"] if one["status"] == "trial")
    card = shop.millrace("models", "show", trial, "--org", OLD)["models"][0]["card"]
    assert card["data"].startswith("file:")
    assert card["split"]["test"] == ["2018-07-25", "2018-07-31"]
    assert "trained on files" in shop.millrace("models", "promote", trial, "--org", OLD, code=1)["error"]
    assert shop.millrace("models", "list", "--org", OLD)["champion"] == before


def test_what_cannot_be_trained_is_said_before_anything_starts(shop: Shop, tmp_path: Any) -> None:
    for arguments, says in (
        (("--train-from", "2026-01-01"), "go together"),
        (("--data", str(tmp_path / "nowhere")), "is a folder of Parquet files"),
        (("--data", str(tmp_path)), "no Parquet file"),
    ):
        assert says in shop.millrace("train", "--org", OLD, *arguments, code=2)["error"]
    assert "is not a version" in shop.millrace("models", "promote", "latest", "--org", OLD, code=2)["error"]


def test_every_cell_of_the_notebook_runs(
    shop: Shop, tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process. matplotlib is in the environment of `make notebook` alone, so something stands for it."""
    outputs = json.loads((Path(environ["MILLRACE_LOCAL"]) / "outputs.json").read_text())
    repo = {
        "project": OLD,
        "registry": str(ROOT / "build/layers/millrace/python/millrace/bundle"),
        "offline_store": {"bucket": outputs["LakeBucket"]},
        "online_store": {"table": outputs["FeatureStoreTable"]},
    }
    (tmp_path / "feature_store.yaml").write_text(json.dumps(repo))
    (tmp_path / notebook.FOLDER).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / notebook.FOLDER)
    monkeypatch.setenv("MILLRACE_PORT", environ["MILLRACE_PORT"])
    for name, value in notebook.environ({}, checkout()).items():
        monkeypatch.setenv(name, value)
    plots = MagicMock()
    plots.subplots.return_value = (plots.figure, plots.axes)
    monkeypatch.setitem(sys.modules, "matplotlib", MagicMock(pyplot=plots))
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", plots)
    known: dict[str, Any] = {}
    for cell in json.loads((ROOT / notebook.FOLDER / notebook.FIRST).read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"cell {cell['id']}", "exec"), known)
    assert len(known["rows"]) == DAYS * A_DAY
    assert known["average_precision_score"](known["known"], known["scores"]) > 2 * known["known"].mean()
    (recall, precision), _ = plots.axes.plot.call_args
    assert len(recall) == len(precision) > 2
