"""`millrace quarantine replay` and `discard`: how often the API is asked, what is merged, how it ends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from cli import repairs
from cli.api import Api, ApiResponse
from cli.main import run

REPLAY, DISCARD = "/v1/quarantine/replay", "/v1/quarantine/discard"
FIX = [{"op": "add", "path": "/data/payload/currency", "value": "EUR"}]
# What the API does in one call.
LIMIT = 500


class Quarantine:
    """The open refusals of a tenant, newest first, behind the API's two calls."""

    def __init__(self, good: int = 0, bad: int = 0, *, bad_first: bool = True) -> None:
        names = [f"bad{n}" for n in range(bad)], [f"good{n}" for n in range(good)]
        self.open = [*names[0], *names[1]] if bad_first else [*names[1], *names[0]]
        self.names = list(self.open)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def call(self, method: str, path: str, *, body: bytes) -> ApiResponse:
        assert method == "POST"
        request = orjson.loads(body)
        self.asked.append((path, request))
        assert request["filter"], "a filter says what is meant"
        # A cursor is the name of the last one that the call before looked at; what it closed is no longer open.
        left = [name for name in self.names if name in self.open]
        if request.get("cursor"):
            left = [name for name in left if self.names.index(name) > self.names.index(request["cursor"])]
        matched = left[:LIMIT]
        cursor = matched[-1] if len(left) > LIMIT else None
        report = {"matched": len(matched), "more": cursor is not None, "cursor": cursor}
        if path == DISCARD:
            self.open = [name for name in self.open if name not in matched]
            return ApiResponse(200, {**report, "discarded": len(matched)})
        assert path == REPLAY
        dry_run = request.get("dryRun", False)
        passed = [name for name in matched if name.startswith("good")]
        if not dry_run:
            self.open = [name for name in self.open if name not in passed]
        results = [self._result(name, dry_run) for name in matched]
        counts = {"wouldPass": len(passed), "replayed": 0 if dry_run else len(passed)}
        return ApiResponse(
            200, {**report, **counts, "stillFailing": len(matched) - len(passed), "results": results}
        )

    @staticmethod
    def _result(name: str, dry_run: bool) -> dict[str, Any]:
        result: dict[str, Any] = {"quarantineId": name, "eventId": f"event of {name}"}
        if name.startswith("good"):
            return {**result, "status": "wouldPass" if dry_run else "accepted"}
        error = {"pointer": "/data/payload/currency", "code": "missing", "message": "is missing"}
        return {**result, "status": "rejected", "errors": [error]}


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Quarantine], Quarantine]:
    monkeypatch.chdir(tmp_path)
    local = tmp_path / ".local"
    local.mkdir()
    url = "http://localhost:1/_aws/execute-api/a/$default"
    (local / "outputs.json").write_bytes(orjson.dumps({"ApiUrl": url}))
    (local / "keys.json").write_bytes(orjson.dumps({"org_acme": "mk_a"}))

    def used(quarantine: Quarantine) -> Quarantine:
        monkeypatch.setattr(Api, "call", quarantine.call)
        return quarantine

    return used


Use = Callable[[Quarantine], Quarantine]


def document(capsys: pytest.CaptureFixture[str]) -> Any:
    return orjson.loads(capsys.readouterr().out.splitlines()[-1])


def test_replay_goes_on_until_nothing_is_left(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    quarantine = use(Quarantine(good=1201))
    assert run(["quarantine", "replay", "--all", "--json"]) == 0
    answer = document(capsys)
    assert len(answer.pop("results")) == 1201
    assert answer == {"matched": 1201, "wouldPass": 1201, "replayed": 1201, "stillFailing": 0, "more": False}
    body = {"filter": {"all": True}, "patch": [], "dryRun": False}
    assert [asked for _, asked in quarantine.asked] == [
        body,
        {**body, "cursor": "good499"},
        {**body, "cursor": "good999"},
    ]


def test_what_fails_in_each_round_is_counted_once(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    quarantine = use(Quarantine(good=900, bad=20))
    assert run(["quarantine", "replay", "--all", "--json"]) == 1
    answer = document(capsys)
    assert (answer["matched"], answer["replayed"], answer["stillFailing"], answer["more"]) == (
        920,
        900,
        20,
        False,
    )
    assert len({result["quarantineId"] for result in answer["results"]}) == 920
    assert len(quarantine.asked) == 2


def test_what_fails_hides_nothing_behind_it(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    quarantine = use(Quarantine(good=10, bad=700))
    assert run(["quarantine", "replay", "--all", "--json"]) == 1
    answer = document(capsys)
    assert (answer["matched"], answer["replayed"], answer["stillFailing"], answer["more"]) == (
        710,
        10,
        700,
        False,
    )
    assert len(quarantine.asked) == 2


def test_a_platform_that_says_more_for_ever_is_asked_a_bounded_number_of_times() -> None:
    requests: list[str] = []

    def ask(path: str, _: dict[str, Any]) -> dict[str, Any]:
        requests.append(path)
        return {"matched": 1, "replayed": 1, "discarded": 1, "more": True, "cursor": "c", "results": []}

    assert repairs.replay(ask, repairs.ALL, [], dry_run=False)["more"]
    assert repairs.discard(ask, {"code": "enum"}, dry_run=False)["more"]
    assert requests == [REPLAY] * repairs.MOST_CALLS + [DISCARD] * repairs.MOST_CALLS


def test_progress_is_told_after_each_call() -> None:
    quarantine, told = Quarantine(good=1001), list[int]()

    def ask(path: str, body: dict[str, Any]) -> Any:
        return quarantine.call("POST", path, body=orjson.dumps(body)).document

    repairs.replay(ask, repairs.ALL, [], dry_run=False, progress=told.append)
    assert told == [500, 1000, 1001]


def test_a_dry_run_says_what_would_fail(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    quarantine = use(Quarantine(good=700, bad=1))
    assert run(["quarantine", "replay", "--all", "--dry-run"]) == 1
    printed = capsys.readouterr()
    assert "701 matched, 700 would pass" in printed.out
    assert "/data/payload/currency is missing" in printed.out
    assert "event of bad0" in printed.out
    assert len(quarantine.asked) == 2
    assert len(quarantine.open) == 701
    use(Quarantine(good=700))
    assert run(["quarantine", "replay", "--all", "--dry-run", "--json"]) == 0
    assert document(capsys)["more"] is False


def test_filter_and_patch_reach_the_api_and_what_was_not_given_does_not(use: Use, tmp_path: Path) -> None:
    quarantine = use(Quarantine(good=1))
    (tmp_path / "fix.json").write_bytes(orjson.dumps(FIX))
    given = ["--event-type", "order.created", "--code", "missing", "--from", "2026-11-20T00:00:00Z"]
    assert run(["quarantine", "replay", *given, "--patch", "fix.json", "--to", "2026-11-21T00:00:00Z"]) == 0
    assert quarantine.asked[0][1] == {
        "filter": {
            "eventType": "order.created",
            "code": "missing",
            "from": "2026-11-20T00:00:00Z",
            "to": "2026-11-21T00:00:00Z",
        },
        "patch": FIX,
        "dryRun": False,
    }
    assert run(["quarantine", "discard", "--id", "019aa2d0"]) == 0
    assert quarantine.asked[1] == (DISCARD, {"filter": {"quarantineId": "019aa2d0"}})


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"op": "add"}', '"add"', "null", None])
def test_a_file_that_is_no_patch_is_usage_and_nothing_is_asked(
    use: Use, tmp_path: Path, text: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    quarantine = use(Quarantine(good=1))
    if text is not None:
        (tmp_path / "fix.json").write_text(text)
    assert run(["quarantine", "replay", "--all", "--patch", "fix.json"]) == 2
    assert "fix.json" in capsys.readouterr().err
    assert quarantine.asked == []


def test_discard_goes_on_until_nothing_is_left(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    quarantine = use(Quarantine(bad=1100))
    assert run(["quarantine", "discard", "--code", "missing", "--json"]) == 0
    assert document(capsys) == {"matched": 1100, "discarded": 1100, "more": False}
    assert [path for path, _ in quarantine.asked] == [DISCARD] * 3


@pytest.mark.parametrize("call", ["discard", "replay"])
@pytest.mark.parametrize("given", [[], ["--dry-run"], ["--all", "--code", "enum"]])
def test_without_a_filter_or_with_two_it_is_usage_and_nothing_is_asked(
    use: Use, capsys: pytest.CaptureFixture[str], call: str, given: list[str]
) -> None:
    quarantine = use(Quarantine(bad=3))
    assert run(["quarantine", call, *given]) == 2
    printed = capsys.readouterr().err
    assert "--event-type" in printed
    assert "--all" in printed
    assert quarantine.asked == []


def test_all_of_it_can_be_discarded(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    quarantine = use(Quarantine(bad=3))
    assert run(["quarantine", "discard", "--all"]) == 0
    assert capsys.readouterr().out == "3 discarded\n"
    assert quarantine.asked == [(DISCARD, {"filter": {"all": True}})]


def test_a_dry_discard_changes_nothing(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    quarantine = use(Quarantine(good=1, bad=2))
    assert run(["quarantine", "discard", "--code", "missing", "--dry-run"]) == 0
    assert capsys.readouterr().out == "3 would be discarded\n"
    assert quarantine.asked == [(REPLAY, {"filter": {"code": "missing"}, "patch": [], "dryRun": True})]
    assert len(quarantine.open) == 3


def test_nothing_that_matches_is_said_and_is_well(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(Quarantine())
    assert run(["quarantine", "replay", "--all"]) == 0
    assert capsys.readouterr().out == "Nothing open matches.\n"


def test_many_failures_are_shown_in_part(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(Quarantine(good=3, bad=25))
    assert run(["quarantine", "replay", "--all"]) == 1
    printed = capsys.readouterr()
    assert "… and 5 more" in printed.out
    assert "3 replayed, 25 still failing" in printed.out
    assert printed.err == "what still fails stays in quarantine\n"
