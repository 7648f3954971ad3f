"""`make mlflow`: who may reach the server, which port, and what it says when there is no platform."""

from pathlib import Path

import pytest

from cli.errors import UsageError
from cli.mlflow import server, sync


def test_it_is_reachable_from_this_machine_only() -> None:
    command = list(server.command(Path("/python"), Path("/here"), 5501))
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--port") + 1] == "5501"
    assert command[command.index("--backend-store-uri") + 1] == "sqlite:////here/mlflow.db"
    assert command[command.index("--artifacts-destination") + 1] == "/here/artifacts"


@pytest.mark.parametrize(("text", "number"), [("", 5500), ("5600", 5600)])
def test_the_port_is_the_variable(monkeypatch: pytest.MonkeyPatch, text: str, number: int) -> None:
    monkeypatch.setenv("MLFLOW_PORT", text)
    assert server.port() == number


@pytest.mark.parametrize("text", ["80", "x", "70000"])
def test_what_is_no_port_is_usage(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MLFLOW_PORT", text)
    with pytest.raises(UsageError, match="MLFLOW_PORT"):
        server.port()


def test_it_sends_no_usage_reports_and_ignores_the_shells_settings() -> None:
    found = server._environ({"MLFLOW_TRACKING_URI": "http://elsewhere", "PYTHONPATH": "/x", "PATH": "/bin"})
    assert found == {"PATH": "/bin", "MLFLOW_DISABLE_TELEMETRY": "true"}


def test_without_a_platform_nothing_is_logged_and_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sync.sync(Path("/python"), "http://127.0.0.1:1").startswith(
        "Nothing is logged: there is no local platform"
    )


def test_client_and_server_are_of_one_version() -> None:
    text = (Path(__file__).parents[3] / "layers/mlflow/requirements.txt").read_text()
    (client,) = [line.partition("==")[2] for line in text.splitlines() if line.startswith("mlflow-skinny==")]
    assert f"mlflow=={client}" in server.REQUIREMENTS
