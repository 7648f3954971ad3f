"""The support desk of examples/: copied into a checkout as the guide says, it compiles, and its contracts judge its own events."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.commands import first_contract as commands
from cli.main import app
from cli.places import Places
from millrace.compiler import bundle as compiler
from millrace.compiler import feature_views, samples
from millrace.contracts import registry
from millrace.features import views
from millrace.warehouse import project

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "support"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkout, folder = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("bundle")
    for name in ("schemas", "warehouse"):
        shutil.copytree(ROOT / name, checkout / name)
        shutil.copytree(EXAMPLE / name, checkout / name, dirs_exist_ok=True)
    feature_views.pin(checkout / "schemas")
    compiler.assemble(checkout / "schemas", checkout / "warehouse", folder)
    return folder


def events(org: str) -> str:
    command = [sys.executable, str(EXAMPLE / "events.py"), org]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("org", ["org_acme", "org_globex"])
def test_its_events_are_accepted(made: Path, org: str) -> None:
    contracts = registry.load(made)
    listed = [json.loads(line) for line in events(org).splitlines()]
    assert {one["eventType"] for one in listed} == {"ticket.opened", "ticket.replied", "ticket.rated"}
    for event in listed:
        assert contracts.validator(contracts.find(event["eventType"])).errors(event) == []


@pytest.mark.parametrize("name", ["ticket.opened", "ticket.replied", "ticket.rated"])
def test_its_samples_are_judged_as_they_say(made: Path, name: str) -> None:
    contracts = registry.load(made)
    validator = contracts.validator(contracts.find(name))
    file = EXAMPLE / "schemas/events/support" / name / "v1.yaml"
    assert all(validator.errors(event) == [] for event in samples.golden(file))
    for case in samples.broken(file):
        assert tuple((one.pointer, one.code) for one in validator.errors(case.event)) == case.errors


def test_its_table_and_its_features_are_made_from_its_events(made: Path) -> None:
    transform = project.load(made).transform("marts.ticket_resolution")
    assert transform.inputs == (
        "silver.ticket_opened_v1",
        "silver.ticket_rated_v1",
        "silver.ticket_replied_v1",
    )
    workload = project.load(made).transform("marts.agent_workload")
    assert workload.inputs == ("marts.ticket_resolution", "silver.ticket_replied_v1")
    assert views.load(made).view("customer_support").features == (
        "ticket_count_7d",
        "ticket_count_30d",
        "mean_score_30d",
    )


def test_a_first_contract_is_written_and_passes_lint_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    monkeypatch.setattr(commands, "checkout", lambda: Places(tmp_path))
    monkeypatch.setattr("cli.commands.contracts.checkout", lambda: Places(tmp_path))
    file = tmp_path / "events.ndjson"
    file.write_text(events("org_acme"))
    init = ["contracts", "init", "--from", str(file), "--type", "ticket.opened", "--json"]
    done = CliRunner().invoke(app, init)
    assert done.exit_code == 0, done.exception
    made = json.loads(done.stdout.splitlines()[-1])
    assert made["id"] == "ticket.opened.v1"
    assert "/data/payload/email is confidential by its name: it looks personal" in made["guesses"]
    lint = CliRunner().invoke(app, ["contracts", "lint"])
    assert lint.exit_code == 0, lint.exception
    again = CliRunner().invoke(app, init)
    assert "has a contract" in str(again.exception)
