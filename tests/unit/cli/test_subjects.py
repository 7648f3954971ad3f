"""What the commands about people ask of the API, and what they say."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli import subjects
from cli.commands import erase, export, holds, privacy, requests_of_people
from cli.errors import RefusedError
from cli.main import run

CERTIFICATE: dict[str, Any] = {
    "form": "millrace/erasure/1",
    "requestId": "r-1",
    "finalAt": "2026-12-01T12:00:00.000Z",
    "removed": [{"store": "quarantine", "entries": 2}],
    "verified": {"events": {"looked": 3, "unreadable": 3}},
    "remains": [{"store": "silver", "what": "tokens", "why": "One-way."}],
    "key": {"fingerprint": "ab", "publicKey": "none"},
    "signature": "",
}
REQUEST = {"requestId": "r-1", "state": "open", "receivedAt": "then", "dueAt": "later", "steps": []}
DONE = {**REQUEST, "state": "done", "steps": ["forget"], "certificate": CERTIFICATE}
HOLD = {"subject": "77", "reason": "case", "by": "legal", "at": "then"}


class FakeApi:
    """Notes what is asked, and answers each path in turn."""

    calls: list[tuple[str, str, Any]] = []  # noqa: RUF012
    answers: dict[str, list[Any]] = {}  # noqa: RUF012

    def __init__(self, *_: object) -> None:
        """Asks nothing."""

    def ask(self, method: str, path: str, *, query: object = None, body: bytes = b"null") -> Any:
        self.calls.append((method, path, query or json.loads(body)))
        left = self.answers[f"{method} {path}"]
        return left.pop(0) if len(left) > 1 else left[0]


@pytest.fixture(autouse=True)
def _api(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeApi.calls.clear()
    for module in (erase, export, holds, privacy, requests_of_people):
        monkeypatch.setattr(module, "Api", FakeApi)
        monkeypatch.setattr(module, "find_target", lambda _: None)
    monkeypatch.setattr(subjects, "PAUSE_SECONDS", 0.0)


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_person_is_erased_and_the_certificate_is_awaited_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    FakeApi.answers = {
        "DELETE /v1/subjects/~dS8x": [REQUEST],
        "GET /v1/subjects/~dS8x/erasure": [{**REQUEST, "certificate": None}, DONE],
    }
    file = tmp_path / "certificate.json"
    assert run(["erase", "u/1", "--reason", "asked", "--wait", "--certificate", str(file)]) == 0
    assert FakeApi.calls[0] == ("DELETE", "/v1/subjects/~dS8x", {"reason": "asked"})
    assert json.loads(file.read_text()) == CERTIFICATE
    shown = capsys.readouterr().out
    assert "final at 2026-12-01" in shown
    assert "remains  silver: tokens" in shown


def test_without_waiting_it_says_until_when_it_is_due(capsys: pytest.CaptureFixture[str]) -> None:
    FakeApi.answers = {"DELETE /v1/subjects/u-1": [REQUEST], "GET /v1/subjects/u-1/erasure": [DONE]}
    assert run(["erase", "u-1"]) == 0
    assert "due later" in capsys.readouterr().out
    assert run(["erase", "u-1", "--status", "--json"]) == 0
    assert said(capsys) == DONE


def test_what_is_no_certificate_is_refused_and_one_argument_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "certificate.json"
    file.write_text(json.dumps(CERTIFICATE))
    assert run(["erase", "--verify", str(file)]) == 1
    assert run(["erase", "--verify", str(tmp_path / "none")]) == 2
    assert run(["erase"]) == 2
    assert run(["erase", "u-1", "--verify", str(file)]) == 2


def test_a_failed_request_and_an_endless_one_end_the_waiting() -> None:
    with pytest.raises(RefusedError, match="failed"):
        subjects.awaited(lambda: {"state": "failed"}, lambda _: False)
    with pytest.raises(RefusedError, match="goes on waiting"):
        subjects.awaited(lambda: {"state": "open"}, lambda _: False, longest=0.0)


def test_an_export_gives_its_link(capsys: pytest.CaptureFixture[str]) -> None:
    ready = {**REQUEST, "state": "done", "link": "https://x", "linkEndsAt": "then", "events": 3}
    asked = {**REQUEST, "link": None}
    FakeApi.answers = {
        "POST /v1/subjects/u-1/export": [asked],
        "GET /v1/subjects/u-1/export": [asked, ready],
    }
    assert run(["export", "u-1", "--json"]) == 0
    assert said(capsys)["link"] == "https://x"
    assert [method for method, *_ in FakeApi.calls] == ["POST", "GET", "GET"]
    assert FakeApi.calls[0][2] == {"reason": "asked for by the person"}


def test_holds_are_set_listed_and_lifted(capsys: pytest.CaptureFixture[str]) -> None:
    FakeApi.answers = {
        "PUT /v1/subjects/u-1/hold": [HOLD],
        "DELETE /v1/subjects/u-1/hold": [{"lifted": False}],
        "GET /v1/subjects/holds": [{"items": [HOLD], "cursor": None}],
    }
    assert run(["holds", "set", "u-1", "--why", "case", "--json"]) == 0
    assert said(capsys) == HOLD
    assert FakeApi.calls[-1][2] == {"reason": "case"}
    assert run(["holds", "list", "--json"]) == 0
    assert said(capsys) == {"items": [HOLD]}
    assert run(["holds", "lift", "u-1"]) == 0
    assert "no hold" in capsys.readouterr().out


def test_the_number_of_a_user_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    found = {"userId": "u/1", "subject": "5021846650738291"}
    FakeApi.answers = {"GET /v1/subjects/~dS8x": [found], "GET /v1/subjects/5021846650738291": [found]}
    assert run(["privacy", "number", "u/1"]) == 0
    assert capsys.readouterr().out == "u/1: 5021846650738291\n"
    assert run(["privacy", "number", "--by-number", "5021846650738291", "--json"]) == 0
    assert said(capsys) == found
    assert [one[-1] for one in FakeApi.calls] == [None, {"by": "number"}]
    # Also where the id is a word of another path.
    FakeApi.answers = {"GET /v1/subjects/~cmVxdWVzdHM": [found]}
    assert run(["privacy", "number", "requests"]) == 0


ASKED = {
    "requestId": "r-1",
    "kind": "restrict",
    "state": "done",
    "subject": "5021846650738291",
    "by": "ann",
    "reason": "case 17",
    "receivedAt": "2026-12-01T12:00:00.000Z",
    "dueAt": "2026-12-31T12:00:00.000Z",
    "doneAt": "2026-12-01T12:00:01.000Z",
    "overdue": False,
}
OPEN = {**ASKED, "kind": "rectify", "state": "open", "doneAt": None}


def test_a_person_is_restricted_and_released(capsys: pytest.CaptureFixture[str]) -> None:
    FakeApi.answers = {
        "PUT /v1/subjects/~dS8x/restriction": [ASKED],
        "DELETE /v1/subjects/~dS8x/restriction": [{"restricted": False}],
    }
    assert run(["privacy", "restrict", "u/1", "--reason", "case 17"]) == 0
    assert "values of 5021846650738291 are shown to nobody" in capsys.readouterr().out
    assert FakeApi.calls[-1][2] == {"reason": "case 17"}
    assert run(["privacy", "restrict", "u/1"]) == 2, "a reason is needed"
    assert run(["privacy", "release", "u/1", "--json"]) == 0
    assert said(capsys) == {"restricted": False}
    assert run(["privacy", "release", "u/1"]) == 0
    assert capsys.readouterr().out.startswith("released")


def test_a_correction_is_kept_listed_and_ended(capsys: pytest.CaptureFixture[str]) -> None:
    overdue = {**OPEN, "requestId": "r-2", "user": "usr_1", "overdue": True}
    FakeApi.answers = {
        "POST /v1/subjects/u-1/rectification": [OPEN],
        "GET /v1/subjects/requests": [{"items": [OPEN, overdue, ASKED], "cursor": None}],
        "POST /v1/subjects/requests/r-1/done": [{**OPEN, "state": "done"}],
    }
    assert run(["privacy", "rectify", "u-1", "--reason", "the street"]) == 0
    assert capsys.readouterr().out == "request r-1, due 2026-12-31T12:00:00.000Z\n"
    assert run(["privacy", "requests", "--state", "open"]) == 0
    shown = capsys.readouterr().out
    assert "rectify  open, due 2026-12-31" in shown
    assert "rectify  open, overdue since 2026-12-31" in shown
    assert "restrict  done 2026-12-01" in shown
    assert "request r-2 of usr_1, by ann: case 17" in shown
    assert "request r-1 of 5021846650738291, by ann" in shown
    assert FakeApi.calls[-1][2]["state"] == "open"
    assert run(["privacy", "done", "r-1", "--note", "sent"]) == 0
    assert (FakeApi.calls[-1][2], capsys.readouterr().out) == ({"note": "sent"}, "request r-1: done\n")


def test_values_behind_tokens_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    tokens = ["tk_" + letter * 22 for letter in "ab"]
    values = [
        {"token": tokens[0], "eventId": "e-1", "value": "Marked\x1b[31mville"},
        {"token": tokens[1], "eventId": "e-1", "value": None},
    ]
    FakeApi.answers = {"POST /v1/detokenise": [{"values": values}]}
    call = ["privacy", "detokenise", *tokens, "--event", "e-1", "--reason", "parcel 17"]
    assert run([*call, "--purpose", "customer-support"]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "ville" in shown
    assert "nobody can say it" in shown
    assert FakeApi.calls[-1][2] == {
        "tokens": [{"token": one, "eventId": "e-1"} for one in tokens],
        "purpose": "customer-support",
        "reason": "parcel 17",
    }
    assert run([*call, "--purpose", "customer-support", "--json"]) == 0
    assert said(capsys) == {"values": values}
    before = len(FakeApi.calls)
    assert run([*call, "--purpose", "curiosity"]) == 2
    assert run([*call, *(["tk_x"] * 99), "--purpose", "data-quality"]) == 2
    assert len(FakeApi.calls) == before


def test_the_bounds_that_commands_know_are_those_of_the_api() -> None:
    from millrace.api import detokenise

    document = yaml.safe_load(
        (Path(__file__).parents[3] / "schemas/openapi.yaml").read_text(encoding="utf-8")
    )
    assert list(requests_of_people.PURPOSES) == document["components"]["schemas"]["PersonalPurpose"]["enum"]
    asked = document["paths"]["/v1/subjects/requests"]["get"]["parameters"]
    listed = {one["name"]: one["schema"]["enum"] for one in asked if "name" in one}
    assert listed == {"state": [*requests_of_people.STATES], "kind": [*requests_of_people.KINDS]}
    assert requests_of_people.MOST_TOKENS == detokenise.MOST_TOKENS
