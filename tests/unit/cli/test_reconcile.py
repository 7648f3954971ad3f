"""`millrace reconcile`: which days it requests, how answers are added up, and how it ends."""

import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from cli import output, reconcile_report
from cli.commands import reconcile
from cli.errors import UsageError
from cli.main import run
from cli.target import Target
from millrace.reconcile import judge

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
COUNTS = {"events": 7, "userEvents": 5, "manifest": 7, "raw": 7, "silver": 7, "owned": 5}


def answer(status: str = "equal", left: int = 0) -> dict[str, Any]:
    event = {
        "eventId": "e-1",
        "missing": ["raw"],
        "status": status,
        "reasons": ["no row in Events to put into the log"],
    }
    cell = {
        "org": "org_acme",
        "day": "2026-11-21",
        "hour": 9,
        "eventType": "order.created",
        "status": status,
        "missing": {"raw": 1},
        "differences": [event],
    }
    return {
        "cells": {"equal": 3, "explained": 0, "repaired": 0, "open": 0}
        | ({status: 1} if status != "equal" else {}),
        "counts": COUNTS,
        "missing": {"raw": 0 if status == "equal" else 1},
        "events": {},
        "left": left,
        "differences": [] if status == "equal" else [cell],
    }


class Function:
    """The deployed function: it gives these answers, one a call."""

    def __init__(self, *answers: dict[str, Any], error: str = "") -> None:
        self._answers, self._error = list(answers), error
        self.requests: list[dict[str, Any]] = []

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert (FunctionName, InvocationType) == ("deployed", "RequestResponse")
        self.requests.append(orjson.loads(Payload))
        if self._error:
            error: dict[str, Any] = {"errorMessage": self._error}
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(orjson.dumps(error))}
        return {"Payload": io.BytesIO(orjson.dumps(self._answers.pop(0)))}


Use = Callable[[Function], Function]


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Use:
    monkeypatch.chdir(tmp_path)
    local = tmp_path / ".local"
    local.mkdir()
    url = "http://localhost:1/_aws/execute-api/a/$default"
    (local / "outputs.json").write_bytes(orjson.dumps({"ApiUrl": url}))
    (local / "keys.json").write_bytes(orjson.dumps({"org_acme": "mk_a"}))

    def used(function: Function) -> Function:
        monkeypatch.setattr(Target, "client", lambda *_, **__: function)
        monkeypatch.setattr(reconcile, "deployed_function", lambda _, stem: f"deployed{stem[16:]}")
        return function

    return used


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_days_are_yesterday_and_today_unless_said() -> None:
    assert reconcile.interval(None, None, NOW) == ["2026-11-21", "2026-11-20"]
    assert reconcile.interval("2026-11-18", "2026-11-19", NOW) == ["2026-11-19", "2026-11-18"]
    assert reconcile.interval(None, "2026-11-03", NOW) == ["2026-11-03"]
    assert reconcile.interval("2026-11-20", None, NOW) == ["2026-11-21", "2026-11-20"]
    for first, last in (("2026-11-05", "2026-11-04"), ("yesterday", None)):
        with pytest.raises(UsageError):
            reconcile.interval(first, last, NOW)


def test_answers_are_added_up_over_days(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    function = use(Function(answer(), answer("repaired")))
    given = ["--from", "2026-11-20", "--to", "2026-11-21", "--org", "org_acme"]
    assert run(["reconcile", *given, "--json"]) == 0
    report = printed(capsys)
    assert (report["from"], report["to"]) == ("2026-11-20", "2026-11-21")
    assert report["counts"]["events"] == 14
    assert report["cells"] == {"equal": 6, "explained": 0, "repaired": 1, "open": 0}
    assert [cell["status"] for cell in report["differences"]] == ["repaired"]
    assert [(one["from"], one["to"], one["org"]) for one in function.requests] == [
        ("2026-11-21", "2026-11-21", "org_acme"),
        ("2026-11-20", "2026-11-20", "org_acme"),
    ]


def test_what_stays_open_is_shown_and_ends_in_one(
    use: Use, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output.out, "width", 80)
    use(Function(answer("open"), answer()))
    assert run(["reconcile", "--from", "2026-11-20", "--to", "2026-11-21"]) == 1
    shown = capsys.readouterr()
    assert "no row in Events" in shown.out
    assert "org_acme  2026-11-21  open: no row in Events to put into the log\n" in shown.out
    assert "  of order.created (09:00 UTC)\n  e-1\n" in shown.out
    assert "1 hour with missing events" in shown.err
    assert "│ raw        │ 14     │ 1       │" in shown.out
    assert "  1 event missing in raw\n" in shown.out
    assert "6 hours equal; 1 hour open." in shown.out
    assert "no row in Events to put into the log: the bucket keeps old versions" in shown.out.replace(
        "\n   ", ""
    )
    assert max(map(len, shown.out.splitlines())) <= 80
    assert "{" not in shown.out
    use(Function(answer("open")))
    assert run(["reconcile", "--from", "2026-11-20", "--to", "2026-11-20", "--json"]) == 1
    assert printed(capsys)["cells"]["open"] == 1


def test_what_time_did_not_suffice_for_is_asked_for_again(
    use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    function = use(Function(answer(left=5), answer(left=2), answer()))
    assert run(["reconcile", "--from", "2026-11-20", "--to", "2026-11-20", "--json"]) == 0
    assert printed(capsys)["counts"]["events"] == 21
    assert len(function.requests) == 3
    assert len({one["before"] for one in function.requests}) == 1
    use(Function(answer(left=5), answer(left=5)))
    assert run(["reconcile", "--from", "2026-11-20", "--to", "2026-11-20", "--json"]) == 1
    assert "does not reach 5 tenants" in printed(capsys)["error"]


def test_a_function_that_fails_is_told_of(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    use(Function(error="read rows: ThrottlingException"))
    assert run(["reconcile", "--json"]) == 1
    assert "ThrottlingException" in printed(capsys)["error"]


def test_what_is_equal_is_said(use: Use, capsys: pytest.CaptureFixture[str]) -> None:
    settling = answer() | {"events": {"settling": 2, "repaired": 0}}
    use(Function(settling))
    assert run(["reconcile", "--from", "2026-11-20", "--to", "2026-11-20"]) == 0
    shown = capsys.readouterr().out
    assert "Every store has every event that it should have.\n" in shown
    assert "2 events of the last minutes, which are compared later.\n" in shown
    use(Function(answer() | {"counts": dict.fromkeys(COUNTS, 0)}))
    assert run(["reconcile", "--from", "2026-11-20", "--to", "2026-11-20"]) == 0
    assert "no events in closed hours" in capsys.readouterr().out


def test_hours_that_differ_for_one_reason_are_one_difference(
    use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = answer("explained")
    (hour,) = waiting["differences"]
    waiting["differences"] = [
        {**hour, "hour": at, "eventType": kind, "missing": {"silver": 2}, "differences": []}
        for at in range(12)
        for kind in ("order.created", "page.viewed")
    ]
    use(Function(waiting))
    assert run(["reconcile", "--from", "2026-11-21", "--to", "2026-11-21"]) == 0
    assert (
        "org_acme  2026-11-21  explained: waits for the next run of silver\n"
        "  48 events missing in silver\n"
        "  of order.created, page.viewed (12 hours, 00:00 to 11:00 UTC)\n"
    ) in capsys.readouterr().out


def test_every_reason_has_a_remedy() -> None:
    """The reasons are the texts of the judge's verdicts, whose source has them all."""
    source = Path(judge.__file__).read_text()
    reasons = re.findall(r'Status\.(?:OPEN|EXPLAINED|REPAIRED), f?"([^"{]+)', source)
    assert len(reasons) > 9
    for why in reasons:
        assert any(
            why.startswith(begin) or begin.startswith(why.strip()) for begin, _ in reconcile_report.REMEDIES
        ), why


def test_sources_are_added_up_once_a_day_and_late_ones_are_named(
    use: Use, capsys: pytest.CaptureFixture[str]
) -> None:
    one = {"org": "org_acme", "source": "shop", "kind": "bus", "state": "active", "lastSeenAt": None}
    none = dict.fromkeys(("accepted", "duplicates", "conflicts", "rejected", "unavailable"), 0)
    shop = {**one, "late": True, **none, "accepted": 1200}
    quiet = {**one, "source": "quiet", "late": False, **none}

    def told(**changed: Any) -> dict[str, Any]:
        return {**answer(**changed), "sources": [shop, quiet]}

    use(Function(told(left=2), told(left=1), told(), told()))
    days = ["--from", "2026-11-20", "--to", "2026-11-21"]
    assert run(["reconcile", *days, "--json"]) == 0
    first, second = printed(capsys)["sources"]
    assert (first["source"], second["accepted"], second["late"]) == ("quiet", 2400, True)
    use(Function(told(), told()))
    assert run(["reconcile", *days]) == 0
    said = capsys.readouterr().out
    for part in ("shop", "2,400", "never, late"):
        assert part in said
    assert "quiet" not in said
