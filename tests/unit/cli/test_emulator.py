"""Which process is ours, what is kept over a restart, and what reaches the programs that are started."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import urllib3

from cli.local import emulator
from cli.local.programs import local_aws, without_aws
from cli.local.steps import StepError, Steps
from cli.output import err
from cli.places import Places


class TestEmulator:
    @pytest.mark.parametrize(
        "text", ["", "{", "[]", "17", '{"pid": "x", "port": 1}', '{"pid": 99999999, "port": 4566}']
    )
    def test_a_pid_file_that_is_broken_or_of_a_dead_process_is_nothing(
        self, places: Places, text: str
    ) -> None:
        places.running.write_text(text)
        assert emulator.running(places) is None

    def test_a_process_that_took_over_the_pid_is_not_ours(
        self, places: Places, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        places.running.write_bytes(orjson.dumps({"pid": os.getppid(), "port": 4566}))
        monkeypatch.setattr(Path, "read_bytes", _command_line(b"/usr/bin/sleep\x001000", places.running))
        assert emulator.running(places) is None

    def test_a_process_that_is_the_emulator_is(self, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
        places.running.write_bytes(orjson.dumps({"pid": os.getpid(), "port": 4567}))
        monkeypatch.setattr(Path, "read_bytes", _command_line(b"python\x00/x/bin/ministack", places.running))
        assert emulator.running(places) == emulator.Running(os.getpid(), 4567)

    def test_the_place_in_a_tables_stream_is_forgotten_and_the_rest_kept(self, places: Places) -> None:
        state = {
            "__ministack_format__": 2,
            "payload": {
                "esms": {"data": {"a": 1}},
                "kinesis_positions": {"data": {"k": {"shard": 3}}},
                "dynamodb_stream_positions": {"__account_region_scoped__": True, "data": {"t": 3}},
            },
        }
        places.state.mkdir()
        (places.state / "lambda.json").write_bytes(orjson.dumps(state))
        emulator._rewind_table_streams(places)
        state["payload"]["dynamodb_stream_positions"]["data"] = {}  # type: ignore[index]
        assert orjson.loads((places.state / "lambda.json").read_bytes()) == state

    @pytest.mark.parametrize("text", [None, "", "[]", '{"payload": null}', '{"payload": {"other": 1}}'])
    def test_a_state_of_another_form_is_left_alone(self, places: Places, text: str | None) -> None:
        places.state.mkdir()
        if text is not None:
            (places.state / "lambda.json").write_text(text)
        emulator._rewind_table_streams(places)
        kept = places.state / "lambda.json"
        assert (kept.read_text() if kept.exists() else None) == text

    @pytest.mark.parametrize("kept", [True, False])
    def test_objects_without_stacks_are_dropped(self, places: Places, kept: bool) -> None:
        """After an end without a clean stop, buckets are there that nothing remembers."""
        places.state.mkdir()
        places.objects.mkdir()
        (places.objects / "bucket").mkdir()
        if kept:
            (places.state / "cloudformation.json").write_text("{}")
        emulator._drop_orphaned_objects(places)
        assert (places.objects / "bucket").exists() is kept

    def test_forgetting_leaves_what_was_installed(self, places: Places) -> None:
        for folder in (places.state, places.objects, places.cdk):
            folder.mkdir()
        for file in (places.outputs, places.keys, places.deployed):
            file.write_text("{}")
        emulator.forget(places)
        assert sorted(path.name for path in places.local.iterdir()) == ["cdk"]


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


class TestDrain:
    """Before a stop: records that no consumer has read are waited for, a bounded time."""

    @pytest.fixture
    def says(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
        def use(*answers: urllib3.BaseHTTPResponse | Exception) -> list[str]:
            requests: list[str] = []

            def request(method: str, url: str, **_: Any) -> urllib3.BaseHTTPResponse:
                requests.append(f"{method} {url}")
                answer = answers[min(len(requests), len(answers)) - 1]
                if isinstance(answer, Exception):
                    raise answer
                return answer

            monkeypatch.setattr(urllib3, "request", request)
            return requests

        return use

    def test_it_waits_until_nothing_is_left(self, says: Callable[..., list[str]]) -> None:
        asked = says(unread(7), unread(1), unread(0))
        assert emulator.drain(4999) == 0
        assert len(asked) >= 3
        assert set(asked) == {"GET http://127.0.0.1:4999/_millrace/unread"}

    def test_what_never_ends_is_not_waited_for_longer_than_said(self, says: Callable[..., list[str]]) -> None:
        says(unread(3))
        assert emulator.drain(4999, seconds=0.1) == 3

    @pytest.mark.parametrize(
        "answer",
        [
            urllib3.exceptions.NewConnectionError(None, "refused"),  # type: ignore[arg-type]
            urllib3.HTTPResponse(b"<Error/>", status=404),
            urllib3.HTTPResponse(b"no json", status=200),
            urllib3.HTTPResponse(b"[]", status=200),
            urllib3.HTTPResponse(b"{}", status=200),
        ],
    )
    def test_an_emulator_that_does_not_say_is_stopped_at_once(
        self, says: Callable[..., list[str]], answer: Any
    ) -> None:
        asked = says(answer)
        assert emulator.drain(4999) == 0
        assert len(asked) == 2


def unread(count: int) -> urllib3.HTTPResponse:
    return urllib3.HTTPResponse(orjson.dumps({"unread": count}), status=200)
