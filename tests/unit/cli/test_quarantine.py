"""`millrace quarantine list`, `summary`, `show` and `edit`: what a person reads, and what the edit of an event sends."""

import base64
import copy
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonpatch
import orjson
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from cli import editing, output
from cli.api import Api, ApiResponse
from cli.commands import quarantine
from cli.main import run
from cli.target import Target

ERROR = {"pointer": "/data/payload/totalAmount", "code": "minimum", "message": "must be >= 0, got -3"}
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202e\u009b31m"
EVENT = {"eventId": "e", "data": {"payload": {"totalAmount": -3, "items": [1, 2, 3]}}}


def identifier(number: int) -> str:
    return f"{number:012x}" + "a" * 24


def refused(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "quarantineId": identifier(number),
        "eventId": f"event-{number}",
        "eventType": "order.created",
        "version": "1.0.0",
        "errors": [ERROR],
        "receivedAt": f"2026-11-21T05:00:00.{number % 1000:03}Z",
        "source": "http",
        "status": "open",
        **changes,
    }


def sent(raw: str | bytes, number: int = 1, **changes: Any) -> dict[str, Any]:
    text = {"raw": raw, "rawEncoding": "utf-8"}
    if isinstance(raw, bytes):
        text = {"raw": base64.b64encode(raw).decode(), "rawEncoding": "base64"}
    return refused(number) | text | {"attempts": [], "closedAt": None, "closedBy": None} | changes


class World:
    """The API of a tenant: pages of its list, one event, replays that are judged by `passes`."""

    def __init__(self) -> None:
        self.listed: list[dict[str, Any]] = []
        self.one: dict[str, Any] | None = None
        self.asked: list[Any] = []
        self.passes: Callable[[Any], bool] = lambda event: event["data"]["payload"]["totalAmount"] >= 0

    def call(self, method: str, path: str, query: Any = None, body: bytes | None = None) -> ApiResponse:
        if body is not None:
            assert (method, path) == ("POST", "/v1/quarantine/replay")
            return ApiResponse(200, self._replay(orjson.loads(body)))
        if path == "/v1/quarantine":
            self.asked.append(query)
            start, limit = int(query["cursor"] or 0), int(query["limit"])
            page = [one for one in self.listed if query["status"] in (None, one["status"])]
            more = start + limit < len(page)
            return ApiResponse(
                200, {"items": page[start : start + limit], "cursor": str(start + limit) if more else None}
            )
        if self.one is None:
            return ApiResponse(404, {"detail": "there is no such refused event"})
        return ApiResponse(200, self.one)

    def _replay(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self.one is not None
        assert request["filter"] == {"quarantineId": self.one["quarantineId"]}
        self.asked.append(request)
        try:
            event = orjson.loads(self.one["raw"])
        except orjson.JSONDecodeError:
            event = None
        event = jsonpatch.JsonPatch(request["patch"]).apply(event)
        passed = self.passes(event)
        status = ("wouldPass" if request["dryRun"] else "accepted") if passed else "rejected"
        result: dict[str, Any] = {"quarantineId": self.one["quarantineId"], "eventId": "e", "status": status}
        if not passed:
            result["errors"] = [ERROR]
        replayed = int(passed and not request["dryRun"])
        return {"results": [result], "replayed": replayed, "cursor": None}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    target = Target("local", "http://localhost:1", keys={"org_acme": "k"})
    monkeypatch.setattr(quarantine, "find_target", lambda _: target)
    monkeypatch.setattr(Api, "call", lambda _, *given, **more: made.call(*given, **more))
    monkeypatch.setattr(output.out, "width", 80)
    return made


def test_a_list_has_a_block_for_each_in_80_columns(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    long = {**ERROR, "message": "must be one of " + ", ".join(f"value-{n}" for n in range(40))}
    world.listed = [refused(1), refused(2, errors=[long] * 7, eventId="x" * 72, eventType=None, version=None)]
    assert run(["quarantine", "list"]) == 0
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert lines[:4] == [
        f"{identifier(1)}  open  2026-11-21T05:00:00.001Z",
        "  order.created 1.0.0",
        "  event event-1",
        "  /data/payload/totalAmount must be >= 0, got -3",
    ]
    assert f"  event {'x' * 72}" in lines
    assert "  no type" in lines
    assert "… and 2 more errors" in printed
    assert max(map(len, lines)) <= 80


def test_a_list_filters_by_status_and_its_json_is_the_apis(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.listed = [refused(1), refused(2, status="discarded")]
    assert run(["quarantine", "list", "--status", "discarded", "--json"]) == 0
    assert orjson.loads(capsys.readouterr().out) == {"items": world.listed[1:], "cursor": None}
    assert run(["quarantine", "list", "--status", "replayed"]) == 0
    assert capsys.readouterr().out == "Nothing matches.\n"
    assert run(["quarantine", "list", "--status", "gone"]) == 2


def test_thousands_are_read_page_by_page(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.listed = [refused(number) for number in range(2300)]
    assert run(["quarantine", "list", "--limit", "1200", "--json"]) == 0
    assert len(orjson.loads(capsys.readouterr().out)["items"]) == 1200
    assert [one["limit"] for one in world.asked] == ["500", "500", "200"]
    assert run(["quarantine", "list"]) == 0
    assert "There are more: --limit 500" in capsys.readouterr().out


def test_a_summary_counts_by_reason_and_type(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    item = {"pointer": "/data/payload/items/17/price", "code": "type", "message": "must be a number"}
    world.listed = [
        *(refused(number, errors=[ERROR]) for number in range(1200)),
        *(
            refused(
                number,
                errors=[item, {**item, "pointer": "/data/payload/items/2/price"}, ERROR],
                status="replayed",
            )
            for number in range(3)
        ),
        refused(9, eventType=None, errors=[{"pointer": "", "code": "malformed", "message": "not JSON"}]),
    ]
    assert run(["quarantine", "summary", "--json"]) == 0
    found = orjson.loads(capsys.readouterr().out)
    assert (found["events"], found["statuses"]) == (1204, {"open": 1201, "replayed": 3})
    assert [(one["eventType"], one["code"], one["pointer"], one["events"]) for one in found["reasons"]] == [
        ("order.created", "minimum", "/data/payload/totalAmount", 1203),
        ("order.created", "type", "/data/payload/items/*/price", 3),
        (None, "malformed", "", 1),
    ]
    assert run(["quarantine", "summary"]) == 0
    printed = capsys.readouterr().out
    assert "1,204 refused events: 1,201 open, 3 replayed." in printed
    assert "An event with several errors is in several lines." in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert run(["quarantine", "summary", "--status", "discarded"]) == 0
    assert capsys.readouterr().out == "Nothing is in quarantine.\n"


def test_one_is_shown_with_its_errors_its_history_and_what_was_sent(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    attempt = {"at": "2026-11-21T06:00:00.000Z", "by": "ana", "status": "rejected", "errors": [ERROR]}
    closed: Any = {"status": "replayed", "closedAt": "2026-11-22T06:00:00.000Z", "closedBy": "ben"}
    world.one = sent(orjson.dumps(EVENT).decode(), attempts=[attempt], **closed)
    assert run(["quarantine", "show", identifier(1)]) == 0
    printed = capsys.readouterr().out
    assert "  /data/payload/totalAmount must be >= 0, got -3\n" in printed
    assert (
        "  2026-11-21T06:00:00.000Z  replay by ana: rejected\n    /data/payload/totalAmount must" in printed
    )
    assert "  2026-11-22T06:00:00.000Z  replayed by ben\n" in printed
    assert '      "totalAmount": -3,\n' in printed
    assert run(["quarantine", "show", identifier(1), "--json"]) == 0
    assert orjson.loads(capsys.readouterr().out) == world.one
    world.one = None
    assert run(["quarantine", "show", identifier(2)]) == 1


@pytest.mark.parametrize(
    "raw",
    [
        f"{{no JSON {HOSTILE}",
        orjson.dumps({HOSTILE: HOSTILE}).decode(),
        b"\xff\xfe",
        "x" * 500_000,
        "[" * 100_000,
        "\n" * 10_000,
    ],
)
def test_no_payload_steers_or_floods_the_terminal(
    world: World, capsys: pytest.CaptureFixture[str], raw: str | bytes
) -> None:
    error = {**ERROR, "pointer": f"/{HOSTILE}", "message": HOSTILE}
    attempt = {"at": "2026-11-21T06:00:00.000Z", "by": HOSTILE, "status": "rejected", "errors": [error]}
    world.one = sent(raw, errors=[error], eventType=HOSTILE, eventId=HOSTILE, attempts=[attempt])
    world.listed = [world.one]
    for command in (["show", identifier(1)], ["list"], ["summary"]):
        assert run(["quarantine", *command]) == 0
        printed = capsys.readouterr().out
        assert not {"\x1b", "\x07", "\u202e", "\u009b"} & set(printed)
        assert len(printed) < 20_000


def test_a_replay_says_why_each_was_not_taken(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.one = sent(orjson.dumps(EVENT).decode())
    assert run(["quarantine", "replay", "--id", identifier(1)]) == 1
    printed = capsys.readouterr().out
    assert f"{identifier(1)}  rejected\n  event e\n  {ERROR['pointer']} {ERROR['message']}\n" in printed


def test_an_id_that_matches_nothing_is_explained(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = {"results": [], "replayed": 0, "cursor": None}
    monkeypatch.setattr(World, "_replay", lambda *_: nothing)
    assert run(["quarantine", "replay", "--id", identifier(1)]) == 0
    assert f"There is no refused event {identifier(1)} of this tenant." in capsys.readouterr().out
    world.one = sent("{}", status="discarded")
    assert run(["quarantine", "replay", "--id", identifier(1)]) == 0
    assert f"{identifier(1)} is discarded already." in capsys.readouterr().out


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Makes an editor that writes one text after another; the questions that are asked, and their answers."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.delenv("VISUAL", raising=False)

    def made(*texts: str, answers: tuple[bool, ...] = (), code: int = 0) -> list[str]:
        for number, text in enumerate(texts):
            (tmp_path / f"text-{number}").write_text(text)
        program = tmp_path / "my editor"
        program.write_text(
            f"""#!{sys.executable}
import pathlib, sys
here, file = pathlib.Path({str(tmp_path)!r}), pathlib.Path(sys.argv[-1])
done = len(list(here.glob("seen-*")))
(here / f"seen-{{done}}").write_text(file.read_text())
new = here / f"text-{{done}}"
if new.exists():
    file.write_text(new.read_text())
sys.exit({code})
"""
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("EDITOR", f"'{program}' --wait")
        questions: list[str] = []
        left = iter(answers)

        def confirm(question: str, **_: Any) -> bool:
            questions.append(question)
            return next(left)

        monkeypatch.setattr(typer, "confirm", confirm)
        return questions

    return made


def edited(**payload: Any) -> str:
    event: dict[str, Any] = copy.deepcopy(EVENT)
    event["data"]["payload"] |= payload
    return orjson.dumps(event).decode()


def test_an_edit_is_tried_shown_confirmed_and_replayed(
    world: World, editor: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.one = sent(edited())
    questions = editor(edited(totalAmount=3), answers=(True,))
    assert run(["quarantine", "edit", identifier(1)]) == 0
    printed = capsys.readouterr()
    assert questions == ["It would pass. Replay it?"]
    assert '-      "totalAmount": -3,' in printed.err
    assert '+      "totalAmount": 3,' in printed.err
    assert printed.out == "1 replayed, 0 still failing\n"
    patch = [{"op": "replace", "path": "/data/payload/totalAmount", "value": 3}]
    assert [(one["patch"], one["dryRun"]) for one in world.asked] == [(patch, True), (patch, False)]
    shown = (tmp_path / "seen-0").read_text()
    assert shown.startswith(f"// {ERROR['pointer']} {ERROR['message']}\n{{\n")


def test_an_edit_that_would_still_fail_is_edited_again_with_the_reason(
    world: World, editor: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.one = sent(edited())
    questions = editor(edited(totalAmount=-1), "{no JSON", edited(totalAmount=3), answers=(True, True, True))
    assert run(["quarantine", "edit", identifier(1), "--json"]) == 0
    assert questions == ["Edit it again?", "Edit it again?", "It would pass. Replay it?"]
    assert '"totalAmount":-1' in (tmp_path / "seen-1").read_text()
    assert (tmp_path / "seen-2").read_text().startswith("// This is not JSON: ")
    assert "{no JSON" in (tmp_path / "seen-2").read_text()
    assert orjson.loads(capsys.readouterr().out)["replayed"] == 1


@pytest.mark.parametrize(
    ("raw", "text", "answers", "code", "exits", "says"),
    [
        (edited(), None, (), 0, 0, "Nothing is changed."),
        (edited(), orjson.dumps(EVENT, option=orjson.OPT_INDENT_2).decode() + "\n\n", (), 0, 0, "Nothing is changed."),
        (edited(), edited(totalAmount=3), (), 3, 1, "the editor ended with 3; nothing is changed"),
        (edited(), edited(totalAmount=3), (False,), 0, 0, "Nothing is changed."),
        (edited(), edited(totalAmount=-4), (False,), 0, 0, "It would still be refused:"),
        (edited(), "", (False,), 0, 0, "This is not JSON"),
        ("{broken", None, (), 0, 0, "Nothing is changed."),
        ("{broken", f'"{"x" * 70_000}"', (False,), 0, 0, "more than a call can take"),
        (b"\xff", "{}", (), 0, 1, "not text in UTF-8"),
    ],
)  # fmt: skip
def test_what_changes_nothing(
    world: World,
    editor: Callable[..., list[str]],
    capsys: pytest.CaptureFixture[str],
    *,
    raw: str | bytes,
    text: str | None,
    answers: tuple[bool, ...],
    code: int,
    exits: int,
    says: str,
) -> None:
    world.one = sent(raw)
    editor(*([] if text is None else [text]), answers=answers, code=code)
    assert run(["quarantine", "edit", identifier(1)]) == exits
    printed = capsys.readouterr()
    assert says in printed.err.replace("\n", " ")
    assert printed.out == ""
    assert all(one["dryRun"] for one in world.asked)


def test_what_is_no_json_is_edited_as_text_and_replaced(
    world: World, editor: Callable[..., list[str]], tmp_path: Path
) -> None:
    world.one = sent('{"eventId": "e",}')
    editor(edited(totalAmount=3), answers=(True,))
    assert run(["quarantine", "edit", identifier(1)]) == 0
    assert '{"eventId": "e",}' in (tmp_path / "seen-0").read_text()
    assert world.asked[-1]["patch"] == [
        {"op": "replace", "path": "", "value": orjson.loads(edited(totalAmount=3))}
    ]


def test_who_cannot_be_edited(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.one = sent(edited(), status="replayed")
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert run(["quarantine", "edit", identifier(1)]) == 2
    assert "edit needs a terminal" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert run(["quarantine", "edit", identifier(1)]) == 1
    assert "is replayed already" in capsys.readouterr().err.replace("\n", " ")
    world.one = sent(edited())
    for editor in ("/no/such/editor", "'"):
        monkeypatch.setenv("VISUAL", editor)
        assert run(["quarantine", "edit", identifier(1)]) == 1
        assert "cannot be started" in capsys.readouterr().err.replace("\n", " ")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60)
@given(JSON, JSON)
def test_a_patch_makes_of_one_value_exactly_the_other(before: Any, after: Any) -> None:
    operations = editing.difference(before, after)
    made = jsonpatch.JsonPatch(operations).apply(before)
    assert editing._bytes(made) == editing._bytes(after)
    assert len(operations) <= 50


def test_true_is_not_one_and_many_operations_are_one() -> None:
    assert len(editing.difference({"a": 1}, {"a": True})) == 1
    assert editing.difference({"a": {"b": 1}}, {"a": {"b": 1}}) == []
    many = {str(number): number for number in range(200)}
    assert len(editing.difference({}, many)) == 1


def test_an_operation_that_does_not_apply_is_shown(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = {"pointer": "", "code": "rule", "message": "operation 2 of the patch (replace) does not apply"}
    result = {"quarantineId": identifier(1), "eventId": "e", "status": "rejected", "errors": [error]}
    monkeypatch.setattr(World, "_replay", lambda *_: {"results": [result], "replayed": 0, "cursor": None})
    world.one = sent(edited())
    (tmp_path / "patch.json").write_text(
        '[{"op":"remove","path":"/a"},{"op":"replace","path":"/b","value":1}]'
    )
    command = ["quarantine", "replay", "--id", identifier(1), "--patch", str(tmp_path / "patch.json")]
    assert run(command) == 1
    printed = capsys.readouterr().out
    assert "  operation 2 of the patch (replace) does not apply\n" in printed
    assert 'Operation 2 of the patch is {"op":"replace","path":"/b","value":1}.\n' in printed
