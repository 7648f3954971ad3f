"""When a virtual environment is made, and when it is left as it is."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cli import bootstrap
from cli.errors import RefusedError
from cli.local import preflight

ROOT = Path(__file__).parents[3]


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
        assert bootstrap.ensure(folder, ["a==1"], stamp=".s", what="it")
        assert not bootstrap.ensure(folder, ["a==1"], stamp=".s", what="it")
        assert len(ran) == 2

    def test_other_requirements_are_installed_into_what_is_there(
        self, tmp_path: Path, ran: list[list[str]]
    ) -> None:
        folder = tmp_path / ".venv"
        bootstrap.ensure(folder, ["a==1"], stamp=".s", what="it")
        assert bootstrap.ensure(folder, ["a==2"], stamp=".s", what="it")
        assert [command[-1] for command in ran[2:]] == ["a==2"]

    def test_an_environment_that_was_moved_here_is_made_anew(
        self, tmp_path: Path, ran: list[list[str]]
    ) -> None:
        bootstrap.ensure(tmp_path / "old", ["a==1"], stamp=".s", what="it")
        (tmp_path / "old").rename(tmp_path / ".venv")
        assert bootstrap.ensure(tmp_path / ".venv", ["a==2"], stamp=".s", what="it")
        assert sum("venv" in command for command in ran) == 2

    def test_an_environment_that_is_a_link_is_left_alone(self, tmp_path: Path, ran: list[list[str]]) -> None:
        """A copy of a checkout uses the environments of the first."""
        (tmp_path / "first").mkdir()
        (tmp_path / ".venv").symlink_to(tmp_path / "first")
        assert not bootstrap.ensure(tmp_path / ".venv", ["a==1"], stamp=".s", what="it")
        assert ran == []

    def test_a_failed_installation_is_tried_again(
        self, tmp_path: Path, ran: list[list[str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / ".venv"
        bootstrap.ensure(folder, ["a==1"], stamp=".s", what="it")

        def fail(*_: Any, **__: Any) -> None:
            raise bootstrap.SetupError("no network")

        with monkeypatch.context() as broken:
            broken.setattr(bootstrap, "_run", fail)
            with pytest.raises(bootstrap.SetupError, match="no network"):
                bootstrap.ensure(folder, ["a==2"], stamp=".s", what="it")
        assert bootstrap.ensure(folder, ["a==1"], stamp=".s", what="it")
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

    def test_uv_comes_first_in_its_pinned_version(
        self, tmp_path: Path, ran: list[list[str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "venv-with-uv" / "bin" / "uv").unlink()
        lock = tmp_path / "dev.txt"
        lock.write_text(f"{bootstrap.UV} \\\n    --hash=sha256:1\n")
        monkeypatch.setattr(bootstrap, "LOCKS", tmp_path)
        bootstrap.install(tmp_path / "env" / "bin" / "python", ["a==1"])
        assert ran[0][ran[0].index("install") :][:4] == ["install", "--quiet", "--require-hashes", "-r"]
        assert [Path(command[0]).name for command in ran] == ["python", "uv"]


def test_uv_is_told_what_pip_is_told(tmp_path: Path) -> None:
    pip = tmp_path / "pip"
    shown = (
        "print(\":env:.index-url='https://packages.example/simple'\")\nprint(\":env:.find-links='/wheels /more'\")\n"
        "print(\"global.index-url='https://other.example'\")\nprint(\"global.timeout='180'\")\n"
    )
    pip.write_text(f"import sys\nassert sys.argv[1:] == ['config', 'list']\n{shown}")
    variables = bootstrap._uv_settings([sys.executable, str(pip)])
    assert (variables["UV_DEFAULT_INDEX"], variables["UV_FIND_LINKS"]) == (
        "https://packages.example/simple",
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


LOCK = """# A comment
Typing-Extensions==4.1 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
moto==5.2 ; python_version >= "3.11" \\
    --hash=sha256:cc
"""


def test_each_requirement_gets_the_hashes_of_its_lock(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(LOCK)
    text = bootstrap.with_hashes(["typing-extensions==4.1", "moto[s3]==5.2"], tmp_path / "lock")
    assert text == (
        "typing-extensions==4.1 --hash=sha256:aa --hash=sha256:bb\nmoto[s3]==5.2 --hash=sha256:cc\n"
    )


@pytest.mark.parametrize("requirement", ["moto==5.3", "boto3==1.1"])
def test_what_the_lock_lacks_is_not_installed(tmp_path: Path, requirement: str) -> None:
    (tmp_path / "lock").write_text(LOCK)
    with pytest.raises(bootstrap.SetupError, match="make locks"):
        bootstrap.with_hashes([requirement], tmp_path / "lock")


def test_requirements_include_others(tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_text("# To run\na==1\n\nb[x]==2  # why\n")
    (tmp_path / "dev.txt").write_text("-r run.txt\nc==3\n")
    assert bootstrap.pins(tmp_path / "dev.txt") == ["a==1", "b[x]==2", "c==3"]


class TestKeptPython:
    """A checkout goes on with the Python that made its environment."""

    @pytest.fixture
    def started(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
        started: list[list[str]] = []
        monkeypatch.setattr(bootstrap, "VENV", tmp_path)
        monkeypatch.setattr(sys, "argv", ["cli/bootstrap.py", "up"])
        monkeypatch.setattr(os, "execv", lambda program, arguments: started.append([program, *arguments]))
        return started

    def test_another_python_in_the_path_hands_over_and_says_so(
        self, tmp_path: Path, started: list[list[str]], capsys: pytest.CaptureFixture[str]
    ) -> None:
        other = tmp_path / "python3.12"
        other.touch(0o755)
        (tmp_path / "pyvenv.cfg").write_text(f"home = {tmp_path}\nversion = 3.12.1\nexecutable = {other}\n")
        bootstrap.keep_python()
        assert started == [[str(other), str(other), "cli/bootstrap.py", "up", "chosen"]]
        said = capsys.readouterr().err
        assert "Going on with Python 3.12.1" in said
        assert f"PYTHON={sys.executable}" in said

    @pytest.mark.parametrize("executable", [sys.executable, "/gone/python3.12"])
    def test_the_same_python_or_one_that_is_gone_changes_nothing(
        self, tmp_path: Path, started: list[list[str]], executable: str
    ) -> None:
        bootstrap.keep_python()
        (tmp_path / "pyvenv.cfg").write_text(f"executable = {executable}\n")
        bootstrap.keep_python()
        assert started == []


def test_what_up_needs_is_checked_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(places: Any, port: int) -> None:
        raise RefusedError("port 4566 is in use")

    monkeypatch.setattr(preflight, "check", refuse)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "stop_like_ctrl_c", lambda: None)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert bootstrap.main(["up"]) == 1
    assert "port 4566 is in use" in capsys.readouterr().err
    assert not (tmp_path / ".venv").exists()


def test_the_checks_need_the_standard_library_only() -> None:
    """They run on a bare Python, before `.venv` is there."""
    code = (
        "import sys; sys.path[:0] = [sys.argv[1]]\n"
        "from cli import bootstrap, places\nfrom cli.local import preflight"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", code, str(ROOT)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_stop_ends_the_child_processes_of_an_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "LOGS", tmp_path)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    wait = subprocess.Popen.wait
    stopped = iter([True])

    def interrupted(process: Any, timeout: float | None = None) -> int:
        if next(stopped, False):
            while not (tmp_path / "child").exists():
                time.sleep(0.01)
            raise KeyboardInterrupt
        return wait(process, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bootstrap._run(["sh", "-c", "sleep 60 & echo $! > writing; mv writing child; wait"], "log", hint="")
    child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    end = time.monotonic() + 10
    while child.exists() and " Z " not in child.read_text() and time.monotonic() < end:
        time.sleep(0.01)
    assert not child.exists() or " Z " in child.read_text()
