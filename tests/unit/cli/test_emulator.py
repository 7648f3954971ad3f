"""Which process is ours, what is kept over a restart, and what reaches the programs that are started."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import urllib3

from cli import runs
from cli.local import emulator, process, up
from cli.local.programs import local_aws, without_aws
from cli.local.steps import StepError, Steps
from cli.output import err
from cli.places import Places
from cli.target import Target


class TestEmulator:
    @pytest.mark.parametrize(
        "text", ["", "{", "[]", "17", '{"pid": "x", "port": 1}', '{"pid": 99999999, "port": 4566}']
    )
    def test_a_pid_file_that_is_broken_or_of_a_dead_process_is_nothing(
        self, places: Places, text: str
    ) -> None:
        places.running.write_text(text)
        assert process.running(places) is None

    def test_a_process_that_took_over_the_pid_is_not_ours(
        self, places: Places, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        places.running.write_bytes(orjson.dumps({"pid": os.getppid(), "port": 4566}))
        monkeypatch.setattr(Path, "read_bytes", _command_line(b"/usr/bin/sleep\x001000", places.running))
        assert process.running(places) is None

    def test_a_process_that_is_the_emulator_is(self, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
        places.running.write_bytes(orjson.dumps({"pid": os.getpid(), "port": 4567}))
        monkeypatch.setattr(Path, "read_bytes", _command_line(b"python\x00/x/bin/ministack", places.running))
        assert process.running(places) == process.Running(os.getpid(), 4567)

    @pytest.mark.parametrize("kept", ["", "snapshot-3", "cloudformation.json"])
    def test_objects_without_stacks_are_dropped(self, places: Places, kept: str) -> None:
        """After an end in the middle of the first deployment, buckets are there that nothing remembers."""
        places.state.mkdir()
        places.objects.mkdir()
        (places.objects / "bucket").mkdir()
        (places.state / "journal-1").write_text("")
        if kept:
            (places.state / kept).write_text("{}")
        emulator._drop_orphaned_objects(places)
        assert (places.objects / "bucket").exists() is (places.state / "journal-1").exists() is bool(kept)

    def test_forgetting_leaves_what_was_installed(self, places: Places) -> None:
        for folder in (places.state, places.objects, places.cdk):
            folder.mkdir()
        for file in (places.outputs, places.keys, places.sample_keys, places.deployed):
            file.write_text("{}")
        emulator.forget(places)
        assert sorted(path.name for path in places.local.iterdir()) == ["cdk"]

    def test_the_environment_of_another_checkout_is_taken_as_it_is(self, places: Places) -> None:
        theirs = places.local / "theirs"
        theirs.mkdir()
        assert not emulator.installed(places)
        places.emulator_environment.symlink_to(theirs)
        assert emulator.installed(places)


def _command_line(command: bytes, kept: Path) -> Any:
    content = kept.read_bytes()
    return lambda path: content if path == kept else command


class TestPrograms:
    def test_no_account_of_the_user_reaches_the_local_deploy(self) -> None:
        users = {"AWS_PROFILE": "prod", "AWS_SESSION_TOKEN": "t", "CDK_DEFAULT_ACCOUNT": "1", "PATH": "/bin"}
        assert without_aws(users) == {"PATH": "/bin"}
        given = {**without_aws(users), **local_aws("http://127.0.0.1:4999")}
        assert given["AWS_ENDPOINT_URL"] == given["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:4999"
        assert given["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull

    def test_a_failing_step_shows_the_end_of_its_log(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        log = tmp_path / "x.log"
        log.write_text("".join(f"line {number}\n" for number in range(100)))
        with pytest.raises(StepError), Steps(err).step("Doing it"):
            raise StepError("it failed", log=log)
        printed = capsys.readouterr().err
        assert "line 99" in printed
        assert "line 50" not in printed
        assert "✗ Doing it" in printed


class TestRecovery:
    """What `up` says of the start, and the state that it has written."""

    @pytest.fixture
    def answers(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, bytes], None]:
        def use(status: int, body: bytes) -> None:
            answer = urllib3.HTTPResponse(body, status=status)
            monkeypatch.setattr(urllib3, "request", lambda *_, **__: answer)

        return use

    @pytest.mark.parametrize(
        ("clean", "cut_off", "sentence"),
        [
            (True, 0, ""),
            (False, 0, "the platform did not stop cleanly; 213 writes taken from the journal"),
            (
                False,
                2,
                "the platform did not stop cleanly; 213 writes taken from the journal, "
                "2 commits behind a damaged line lost: millrace reconcile shows what is missing",
            ),
        ],
    )
    def test_it_is_one_sentence(
        self, answers: Callable[[int, bytes], None], clean: bool, cut_off: int, sentence: str
    ) -> None:
        answers(200, orjson.dumps({"clean": clean, "writes": 213, "cutOff": cut_off}))
        assert emulator.recovery(4999) == sentence

    def test_a_state_that_cannot_be_written_is_an_error(self, answers: Callable[[int, bytes], None]) -> None:
        answers(503, b"{}")
        with pytest.raises(StepError, match="could not be written"):
            emulator.save(4999)


def test_a_run_that_is_not_complete_is_no_tick_and_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failures = [{"step": "archive", "error": "7 accepted events not yet archived (org_demo 7)"}]
    made = {"runId": "hourly-1", "tables": [{"table": "silver.a", "rows": 3}], "failures": failures}
    monkeypatch.setattr(runs, "run", lambda *_, **__: ("hourly-1", "FAILED", "see the summary"))
    monkeypatch.setattr(runs, "document", lambda *_: made)
    result, incomplete = up.run_pipeline(Target("local", "http://127.0.0.1:1"), Steps(err))
    assert result == made
    assert incomplete == "hourly-1 is not complete: 7 accepted events not yet archived (org_demo 7)"
    assert "! Building silver" in capsys.readouterr().err
    monkeypatch.setattr(runs, "run", lambda *_, **__: ("hourly-1", "SUCCEEDED", ""))
    assert up.run_pipeline(Target("local", "http://127.0.0.1:1"), Steps(err)) == (made, "")
    assert "✓ Building silver" in capsys.readouterr().err
