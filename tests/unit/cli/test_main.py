"""Exit codes and errors, as scripts rely on them: 0 done, 1 refused, 2 usage, 3 no platform."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from botocore.client import BaseClient
from botocore.exceptions import (
    EndpointConnectionError,
    NoRegionError,
    ProxyConnectionError,
    ReadTimeoutError,
)

from cli import failures
from cli.api import Api, ApiResponse
from cli.errors import NoPlatformError
from cli.main import run
from cli.output import print_json
from cli.places import Places
from millrace import __version__
from millrace.core.errors import from_client_error

ROOT = Path(__file__).parents[3]
LAYER = ROOT / "layers/millrace/python"
EVENT = b'{"eventId":"e"}'
COMMANDS = [
    ["status"],
    ["send", "-"],
    ["seed", "--count", "1"],
    ["trace", "x"],
    ["events", "latest"],
    ["events", "tail", "--type", "order.created"],
    ["query", "select 1"],
    ["sql"],
    ["quarantine", "list"],
    ["quarantine", "show", "x"],
    ["quarantine", "replay", "--all"],
    ["quarantine", "discard", "--code", "enum"],
    ["keys", "list"],
    ["keys", "create", "--org", "org_acme", "--name", "n"],
    ["keys", "revoke", "mk_x"],
    ["train"],
    ["train", "--org", "org_acme"],
    ["models", "list"],
    ["models", "show", "1"],
    ["models", "promote", "1"],
    ["models", "rollback"],
    ["redrive", "archive_events"],
    ["rebuild", "--table", "Events", "--into", "EventsCopy"],
    ["protect", "--org", "org_acme"],
    ["doctor"],
    ["etl"],
    ["reconcile"],
    ["pending", "list"],
    ["pending", "set-aside", "--org", "org_acme"],
    ["fraud", "explain", "x"],
    ["fraud", "replay"],
]
# Of a deployed platform: what the commands above read of `outputs.json`.
OUTPUTS = (
    *("EventBus", "EventsTable", "HourlyEtlMachine", "LakeBucket", "MLModelsTable", "MetadataTable"),
    *("AnalyticsTable", "FeatureStoreTable", "SubjectKeysTable", "TenantKeyId", "UserEventsTable"),
    "TrainModelMachine",
)


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("MILLRACE_API_URL", "MILLRACE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def platform(nowhere: Path) -> Path:
    local = nowhere / ".local"
    local.mkdir()
    (local / "outputs.json").write_bytes(
        orjson.dumps(
            {
                "ApiUrl": "http://localhost:1/_aws/execute-api/a/$default",
                **{name: name.lower() for name in OUTPUTS},
            }
        )
    )
    (local / "keys.json").write_bytes(orjson.dumps({"org_acme": "mk_a", "org_globex": "mk_g"}))
    return nowhere


def answers(
    monkeypatch: pytest.MonkeyPatch, status: int, document: Any
) -> list[tuple[str, str, dict[str, Any]]]:
    requests: list[tuple[str, str, dict[str, Any]]] = []

    def call(_: Api, method: str, path: str, **more: Any) -> ApiResponse:
        requests.append((method, path, more))
        return ApiResponse(status, document)

    monkeypatch.setattr(Api, "call", call)
    return requests


def last_document(capsys: pytest.CaptureFixture[str]) -> Any:
    return orjson.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_without_a_platform_every_command_says_how_to_start_one(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "--json"]) == 3
    printed = capsys.readouterr()
    assert "make up" in printed.err
    assert "Traceback" not in printed.err
    assert "make up" in orjson.loads(printed.out.splitlines()[-1])["error"]


@pytest.mark.usefixtures("platform")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_platform_that_was_stopped_is_no_platform(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*_: Any, **__: Any) -> ApiResponse:
        raise NoPlatformError("does not answer. Start it: make up")

    def aws(*_: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    monkeypatch.setattr(Api, "call", call)
    monkeypatch.setattr(BaseClient, "_make_api_call", aws)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(EVENT)))
    assert run(command) == 3
    assert "make up" in capsys.readouterr().err


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    "command",
    [
        [],
        ["bogus"],
        ["trace"],
        ["seed", "--count", "0"],
        ["seed", "--rate", "fast"],
        ["status", "--env", "moon"],
        ["status", "--env", "dev"],
        ["quarantine", "list", "--limit", "0"],
        ["models", "promote", "latest"],
        ["train", "--wait", "0"],
    ],
    ids=" ".join,
)
def test_a_wrong_call_is_usage(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.usefixtures("platform")
def test_a_file_that_is_not_there_or_holds_no_events_is_usage(platform: Path) -> None:
    (platform / "empty.json").write_text("[]")
    assert run(["send", "missing.json"]) == 2
    assert run(["send", "empty.json"]) == 2
    assert run(["send", "."]) == 2


@pytest.mark.parametrize(
    ("status", "code"), [("accepted", 0), ("duplicate", 0), ("conflict", 1), ("rejected", 1)]
)
def test_send_ends_well_when_every_event_is_in(
    status: str,
    code: int,
    platform: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers(monkeypatch, 202, {"results": [{"index": 0, "eventId": "e", "status": status}]})
    (platform / "one.json").write_bytes(EVENT)
    assert run(["send", "one.json", "--json"]) == code
    assert last_document(capsys)["results"] == [{"index": 0, "eventId": "e", "status": status}]


@pytest.mark.usefixtures("platform")
def test_an_org_without_a_key_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trace", "x", "--org", "org_initech"]) == 2
    assert "org_acme, org_globex" in capsys.readouterr().err


@pytest.mark.usefixtures("platform")
@pytest.mark.parametrize(("status", "document"), [(401, "key"), (404, "not found"), (400, "cursor")])
def test_a_refusal_is_one_sentence_with_the_platforms_reason(
    status: int, document: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(monkeypatch, status, {"detail": "the cursor is of another query"})
    assert run(["trace", "x", "--json"]) == 1
    captured = capsys.readouterr()
    assert document in captured.err
    assert captured.err.count("\n") == 1
    assert document in orjson.loads(captured.out)["error"]


@pytest.mark.usefixtures("platform")
def test_ids_are_escaped_into_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answers(monkeypatch, 200, {"eventId": "x", "status": "pending", "steps": []})
    assert run(["trace", "../quarantine?x=1#"]) == 0
    assert asked[0][1] == "/v1/events/~Li4vcXVhcmFudGluZT94PTEj/trace"


@pytest.mark.usefixtures("platform")
def test_quarantine_follows_the_cursor_up_to_the_limit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = answers(monkeypatch, 200, {"items": [{"quarantineId": "q"}] * 500, "cursor": "c"})
    assert run(["quarantine", "list", "--limit", "700", "--code", "missing", "--json"]) == 0
    assert [call[2]["query"]["limit"] for call in asked] == ["500", "200"]
    assert [call[2]["query"]["cursor"] for call in asked] == [None, "c"]
    assert last_document(capsys)["cursor"] == "c"


def raised(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def call(*_: Any, **__: Any) -> ApiResponse:
        raise error

    monkeypatch.setattr(Api, "call", call)


def test_a_bug_is_reported_in_a_file_and_shown_on_demand(
    platform: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(failures, "checkout", lambda: Places(platform))
    raised(monkeypatch, KeyError("no\nsuch mk_abc"))
    assert run(["trace", "mk_abc"]) == 1
    printed = capsys.readouterr().err
    (report,) = (platform / ".local/log").iterdir()
    assert printed.startswith("this is a bug of millrace: KeyError: ")
    assert str(report) in printed
    assert printed.count("\n") == 1
    text = report.read_text()
    assert text.startswith(f"command: millrace trace mk_…\nversion: {__version__}\npython: ")
    assert "Traceback" in text
    assert "mk_abc" not in text
    assert run(["trace", "x", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("MILLRACE_DEBUG", "1")
    assert run(["trace", "x"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.usefixtures("platform")
def test_a_bug_on_a_disk_that_takes_no_report_is_a_sentence_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def mkdir(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    raised(monkeypatch, KeyError("x"))
    monkeypatch.setattr(Path, "mkdir", mkdir)
    assert run(["trace", "x"]) == 1
    assert capsys.readouterr().err.endswith("report it with the traceback, which --debug shows\n")


@pytest.mark.usefixtures("platform")
@pytest.mark.parametrize(
    ("error", "code", "parts"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 1, ["the disk is full", "free some space"]),
        (OSError(errno.EROFS, "Read-only", "out.csv"), 1, ["out.csv: the disk is read-only"]),
        (PermissionError(errno.EACCES, "denied", "keys.json"), 1, ["keys.json: permission denied", "ls -l"]),
        (OSError(errno.EMFILE, "Too many open files"), 1, ["ulimit -n"]),
        (MemoryError(), 1, ["not enough memory"]),
        (
            EndpointConnectionError(endpoint_url="https://sts.eu-west-1.amazonaws.com/"),
            3,
            ["sts.eu-west-1.amazonaws.com does not answer", "AWS_REGION"],
        ),
        (
            ReadTimeoutError(endpoint_url="http://127.0.0.1:4566/"),
            3,
            ["does not answer at http://127.0.0.1:4566/", "make up"],
        ),
        (
            ProxyConnectionError(proxy_url="http://proxy:3128"),
            3,
            ["proxy does not answer", "HTTPS_PROXY"],
        ),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), 3, ["does not answer", "make up"]),
        (NoRegionError(), 3, ["AWS_REGION"]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_is_no_bug_says_what_to_do(
    error: Exception,
    code: int,
    parts: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    raised(monkeypatch, error)
    assert run(["trace", "x"]) == code
    printed = capsys.readouterr().err
    assert all(part in printed for part in parts)
    assert "bug" not in printed
    assert "Traceback" not in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    ("shell", "code", "said"),
    [
        ('"$@" --version >&-', 0, ""),
        ('"$@" --version | true; exit ${PIPESTATUS[0]}', 0, ""),
        ('"$@" --version >/dev/full', 1, "the disk is full: free some space and run the same again\n"),
        ('"$@" bogus >/dev/full 2>&1', 1, ""),
        (
            """PYTHONIOENCODING=latin-1 "$@" trace 'é…' --json""",
            3,
            "there is no local platform here. Start one in the checkout: make up\n",
        ),
    ],
)
def test_no_stream_makes_a_traceback(shell: str, code: int, said: str, nowhere: Path) -> None:
    command = ["bash", "-c", shell, "bash", sys.executable, "-m", "cli.main"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, LAYER)))}
    done = subprocess.run(
        command, cwd=nowhere, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (code, said)


def test_json_is_whole_in_a_locale_that_lacks_its_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1"))
    print_json({"text": "é…😀"})
    assert orjson.loads(written.getvalue()) == {"text": "é…😀"}


@pytest.mark.usefixtures("platform")
def test_ctrl_c_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*_: Any, **__: Any) -> ApiResponse:
        raise KeyboardInterrupt

    monkeypatch.setattr(Api, "call", call)
    assert run(["trace", "x"]) == 130
    assert capsys.readouterr().err == "stopped\n"


@pytest.mark.usefixtures("platform")
def test_a_stopped_seed_says_what_was_accepted_and_how_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter([answer_of(500)])

    def call(*_: Any, **__: Any) -> ApiResponse:
        try:
            return next(answers)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(Api, "call", call)
    assert run(["seed", "--count", "1200", "--seed", "7"]) == 130
    said = [line for line in capsys.readouterr().err.splitlines() if line]
    assert said == ["so far 500 accepted; --seed 7 sends the same again", "stopped"]


def answer_of(count: int) -> ApiResponse:
    results = [{"index": one, "eventId": f"{one}", "status": "accepted"} for one in range(count)]
    counts = {"accepted": count, "duplicates": 0, "conflicts": 0, "rejected": 0, "unavailable": 0}
    return ApiResponse(202, {**counts, "results": results})


@pytest.mark.usefixtures("platform")
def test_a_platform_that_a_store_found_silent_is_no_platform(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = EndpointConnectionError(endpoint_url="http://localhost:4566")

    def call(*_: Any, **__: Any) -> ApiResponse:
        raise from_client_error(silent, "read which days failed") from silent

    monkeypatch.setattr(Api, "call", call)
    assert run(["trace", "x"]) == 3
    assert "make up" in capsys.readouterr().err
