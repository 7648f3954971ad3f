"""When a virtual environment is made, and when it is left as it is."""

from pathlib import Path
from typing import Any

import pytest

from cli import bootstrap


class TestSetup:
    @pytest.fixture
    def ran(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
        commands: list[list[str]] = []

        def run(command: list[str], log_name: str, *, hint: str) -> None:
            commands.append(list(command))
            if "venv" in command:
                (Path(command[-1]) / "bin").mkdir(parents=True)
                (Path(command[-1]) / "bin" / "python").touch()

        monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
        monkeypatch.setattr(bootstrap, "_run", run)
        return commands

    def test_an_environment_is_made_once(self, tmp_path: Path, ran: list[list[str]]) -> None:
        folder = tmp_path / ".venv"
        assert bootstrap.ensure(folder, ["a==1"], "h1", stamp=".s", what="it")
        assert not bootstrap.ensure(folder, ["a==1"], "h1", stamp=".s", what="it")
        assert len(ran) == 2

    def test_other_requirements_are_installed_into_what_is_there(
        self, tmp_path: Path, ran: list[list[str]]
    ) -> None:
        folder = tmp_path / ".venv"
        bootstrap.ensure(folder, ["a==1"], "h1", stamp=".s", what="it")
        assert bootstrap.ensure(folder, ["a==2"], "h2", stamp=".s", what="it")
        assert [command[-1] for command in ran[2:]] == ["a==2"]

    def test_an_environment_that_was_moved_here_is_made_anew(
        self, tmp_path: Path, ran: list[list[str]]
    ) -> None:
        bootstrap.ensure(tmp_path / "old", ["a==1"], "h1", stamp=".s", what="it")
        (tmp_path / "old").rename(tmp_path / ".venv")
        assert bootstrap.ensure(tmp_path / ".venv", ["a==1"], "h2", stamp=".s", what="it")
        assert sum("venv" in command for command in ran) == 2

    def test_a_failed_installation_is_tried_again(
        self, tmp_path: Path, ran: list[list[str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / ".venv"
        bootstrap.ensure(folder, ["a==1"], "h1", stamp=".s", what="it")

        def fail(*_: Any, **__: Any) -> None:
            raise bootstrap.SetupError("no network")

        with monkeypatch.context() as broken:
            broken.setattr(bootstrap, "_run", fail)
            with pytest.raises(bootstrap.SetupError, match="no network"):
                bootstrap.ensure(folder, ["a==2"], "h2", stamp=".s", what="it")
        assert bootstrap.ensure(folder, ["a==1"], "h1", stamp=".s", what="it")
        assert len(ran) == 3
