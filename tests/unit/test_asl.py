"""The shorthand of state machine files: what stands in a file, and what it stands for."""

import json
from pathlib import Path

import pytest

from stacks import asl


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(asl, "FOLDER", tmp_path)
    return tmp_path


def expanded(folder: Path, **state: object) -> dict[str, object]:
    """A state as it is deployed; in a file it is inside a Map."""
    inner = {"StartAt": "One", "States": {"One": {"Type": "Task", **state}}}
    machine = {"StartAt": "Each", "States": {"Each": {"Type": "Map", "ItemProcessor": inner}}}
    (folder / "some.asl.json").write_text(json.dumps(machine))
    task: dict[str, object] = asl.definition("some")["States"]["Each"]["ItemProcessor"]["States"]["One"]
    return task


def test_a_retry_is_named(folder: Path) -> None:
    assert expanded(folder, Retry="machine")["Retry"] == asl.RETRIES["machine"]
    with pytest.raises(KeyError, match="unknown"):
        expanded(folder, Retry="unknown")


def test_a_catch_hands_every_error_to_a_state(folder: Path) -> None:
    assert expanded(folder, Catch="Failed")["Catch"] == [
        {"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": "Failed"}
    ]


def test_a_catch_may_hand_over_something_else(folder: Path) -> None:
    own = {"Output": {"failed": True}, "Next": "Failed"}
    assert expanded(folder, Catch=own)["Catch"] == [{"ErrorEquals": ["States.ALL"], **own}]


def test_a_state_without_either_stays_as_it_is(folder: Path) -> None:
    assert expanded(folder, Next="Two") == {"Type": "Task", "Next": "Two"}


def test_every_block_is_used_by_a_machine() -> None:
    files = "".join(path.read_text() for path in asl.FOLDER.glob("*.asl.json"))
    assert all(f'"Retry": "{name}"' in files for name in asl.RETRIES)
    assert '"ErrorEquals"' not in files, "written once, in stacks/asl.py"
