"""When a virtual environment is made, and when it is left as it is."""

import sys
from pathlib import Path
from typing import Any

import pytest

from cli import bootstrap


class TestSetup:
    @pytest.fixture
    def ran(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
        commands: list[list[str]] = []

        def run(command: list[str], log_name: str, *, hint: str, environ: Any = None) -> None:
            commands.append(list(command))
            if "venv" in command:
                (Path(command[-1]) / "bin").mkdir(parents=True)
                (Path(command[-1]) / "bin" / "python").touch()

        monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
        monkeypatch.setattr(bootstrap, "VENV", tmp_path / "venv-with-uv")
        monkeypatch.setattr(bootstrap, "_uv_settings", lambda pip: {})
        uv = tmp_path / "venv-with-uv" / "bin" / "uv"
        uv.parent.mkdir(parents=True)
        uv.touch()
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
        assert "a==1" in ran[-1]

    def test_uv_installs_what_it_can_and_pip_the_rest(
        self, tmp_path: Path, ran: list[list[str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        python = tmp_path / "env" / "bin" / "python"
        bootstrap.install(python, ["a==1"])
        assert ran == [
            [
                str(tmp_path / "venv-with-uv/bin/uv"),
                "pip",
                "install",
                "--quiet",
                "--python",
                str(python),
                "a==1",
            ]
        ]
        tried: list[str] = []

        def run(command: list[str], log_name: str, *, hint: str, environ: Any = None) -> None:
            tried.append(Path(command[0]).name)
            if command[0].endswith("uv"):
                raise bootstrap.SetupError("an index that it may not use")

        monkeypatch.setattr(bootstrap, "_run", run)
        bootstrap.install(python, ["a==1"])
        assert tried == ["uv", "python"]

    def test_uv_comes_first_in_its_pinned_version(self, tmp_path: Path, ran: list[list[str]]) -> None:
        (tmp_path / "venv-with-uv" / "bin" / "uv").unlink()
        bootstrap.install(tmp_path / "env" / "bin" / "python", ["-r", "requirements.txt"])
        assert ran[0][-3:] == ["install", "--quiet", bootstrap.UV]
        assert [Path(command[0]).name for command in ran] == ["python", "uv"]


def test_uv_is_told_what_pip_is_told(tmp_path: Path) -> None:
    pip = tmp_path / "pip"
    shown = (
        "print(\":env:.index-url='https://pypi.example/simple'\")\nprint(\":env:.find-links='/wheels /more'\")\n"
        "print(\"global.index-url='https://other.example'\")\nprint(\"global.timeout='180'\")\n"
    )
    pip.write_text(f"import sys\nassert sys.argv[1:] == ['config', 'list']\n{shown}")
    variables = bootstrap._uv_settings([sys.executable, str(pip)])
    assert (variables["UV_DEFAULT_INDEX"], variables["UV_FIND_LINKS"]) == (
        "https://pypi.example/simple",
        "/wheels,/more",
    )
    assert "180" not in variables.values()


def test_a_uv_whose_installation_was_cut_off_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_bytes(b"\x7fELF")
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    monkeypatch.setattr(bootstrap, "LOGS", tmp_path / "log")
    bootstrap.install(Path(sys.executable), ["--help"])
    assert not uv.exists()
