"""`up` refuses what would fail later before it has changed anything."""

import os
import shutil
from collections import namedtuple

import pytest

from cli.errors import RefusedError
from cli.local import preflight, process
from cli.local.process import Running
from cli.places import Places, port

Usage = namedtuple("Usage", ("total", "used", "free"))


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with room, where nothing listens."""
    monkeypatch.setattr(process, "taken", lambda port: False)
    monkeypatch.setattr(process, "running", lambda places: None)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, 10**12))
    monkeypatch.setattr(preflight, "available_memory", lambda: 10**10)


def test_a_machine_with_room_is_not_refused(places: Places) -> None:
    preflight.check(places, 4566)


@pytest.mark.parametrize("running", [None, Running(7, 4731)])
def test_a_taken_port_names_who_has_it_and_the_command_for_another(
    places: Places, monkeypatch: pytest.MonkeyPatch, running: Running | None
) -> None:
    monkeypatch.setattr(process, "taken", lambda port: port in (4566, 4567))
    monkeypatch.setattr(process, "running", lambda places: running)
    monkeypatch.setattr(preflight, "listener", lambda port: "postgres (process 12)")
    with pytest.raises(RefusedError, match=r"4566 .* in use by postgres \(process 12\)") as refused:
        preflight.check(places, 4566)
    assert "MILLRACE_PORT=4568 make up" in str(refused.value)
    assert ("keeps running on port 4731" in str(refused.value)) is (running is not None)


def test_the_port_of_the_platform_itself_is_not_taken(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "taken", lambda port: True)
    monkeypatch.setattr(process, "running", lambda places: Running(7, 4731))
    preflight.check(places, 4731)


def test_a_full_disk_is_refused(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, 2 * 10**9))
    with pytest.raises(RefusedError, match=r"2\.0 GB are free .* 2\.5 GB are needed"):
        preflight.check(places, 4566)
    places.emulator_environment.mkdir()
    places.cdk.mkdir()
    preflight.check(places, 4566)


def test_a_missing_program_is_named(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "git" else f"/usr/bin/{name}")
    with pytest.raises(RefusedError, match="git cannot be found here; install it"):
        preflight.check(places, 4566)


def test_a_checkout_of_someone_else_is_refused(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    with pytest.raises(RefusedError, match="may not write to"):
        preflight.check(places, 4566)


def test_too_little_memory_is_refused_before_a_start_only(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "available_memory", lambda: 10**9)
    with pytest.raises(RefusedError, match=r"1\.0 GB of memory"):
        preflight.check(places, 4566)
    monkeypatch.setattr(process, "running", lambda places: Running(7, 4566))
    preflight.check(places, 4566)


def test_the_port_is_remembered(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILLRACE_PORT", raising=False)
    assert port(places) == 4566
    places.port.write_text("4731")
    assert port(places) == 4731
    monkeypatch.setenv("MILLRACE_PORT", "4999")
    assert port(places) == 4999
