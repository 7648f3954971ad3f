"""What is tried again, how often, and what is not."""

from collections.abc import Callable
from typing import Any

import pytest

from cli import sending
from cli.api import LONGEST_PAUSE, TRIES, Api, ApiResponse, pause
from cli.batches import MOST_BYTES, Line, Merged
from cli.commands.send import SHOWN, show
from cli.errors import RefusedError
from cli.sending import send_lines
from cli.target import Target

TARGET = Target("local", "http://localhost:1/_aws/execute-api/a/$default", keys={"org_acme": "mk_x"})
Reply = Callable[[int, list[bytes]], ApiResponse]


class Recorded(Api):
    """An API that answers from a script and counts what it was asked."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(TARGET)
        self._reply = reply
        self.requests: list[list[bytes]] = []

    def call(self, method: str, path: str, **more: Any) -> ApiResponse:
        self.requests.append(more["body"].splitlines() if more.get("body") else [])
        return self._reply(len(self.requests), self.requests[-1])


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


def all_as(status: str, bodies: list[bytes], code: int = 202) -> ApiResponse:
    return ApiResponse(
        code, {"results": [{"index": i, "eventId": None, "status": status} for i in range(len(bodies))]}
    )


def lines(count: int) -> list[Line]:
    return [Line(index, b"%d" % index) for index in range(count)]


def test_only_what_was_unavailable_is_sent_again() -> None:
    def reply(attempt: int, bodies: list[bytes]) -> ApiResponse:
        if attempt > 1:
            return all_as("accepted", bodies)
        statuses = ["accepted", "unavailable", "rejected", "unavailable"]
        return ApiResponse(207, {"results": [{"index": i, "status": s} for i, s in enumerate(statuses)]})

    api, merged = Recorded(reply), Merged()
    send_lines(api, lines(4), merged)
    assert api.requests == [[b"0", b"1", b"2", b"3"], [b"1", b"3"]]
    assert [r["status"] for r in merged.document()["results"]] == [
        "accepted",
        "accepted",
        "rejected",
        "accepted",
    ]


def test_a_platform_that_stays_busy_is_asked_a_bounded_number_of_times(waits: list[float]) -> None:
    api, merged = Recorded(lambda _, __: ApiResponse(429, {"detail": "too many"}, retry_after=3.0)), Merged()
    send_lines(api, lines(2), merged)
    assert len(api.requests) == sending.TRIES
    assert len(waits) == sending.TRIES - 1
    assert all(3.0 <= wait <= LONGEST_PAUSE for wait in waits)
    assert merged.document()["unavailable"] == 2
    assert merged.document()["results"][0]["message"] == "too many"


def test_a_broken_connection_is_tried_again() -> None:
    def reply(attempt: int, bodies: list[bytes]) -> ApiResponse:
        if attempt == 1:
            raise ConnectionResetError("gone")
        return all_as("duplicate", bodies)

    api, merged = Recorded(reply), Merged()
    send_lines(api, lines(1), merged)
    assert merged.document()["duplicates"] == 1


@pytest.mark.parametrize("status", [401, 403, 413, 415])
def test_a_refusal_of_the_whole_request_is_not_tried_again(status: int) -> None:
    api = Recorded(lambda _, __: ApiResponse(status, {"message": "Forbidden"}))
    with pytest.raises(RefusedError, match="Forbidden"):
        send_lines(api, lines(1), Merged())
    assert len(api.requests) == 1


def test_an_event_larger_than_a_request_is_refused_without_sending_it() -> None:
    api, merged = Recorded(lambda _, bodies: all_as("accepted", bodies)), Merged()
    send_lines(api, [Line(0, b"x" * (MOST_BYTES + 1)), Line(1, b"1")], merged)
    assert api.requests == [[b"1"]]
    assert merged.document()["results"][0]["errors"][0]["code"] == "too_large"


def test_an_answer_for_other_events_than_were_sent_is_an_error() -> None:
    api = Recorded(lambda _, bodies: all_as("accepted", bodies[:-1]))
    with pytest.raises(RefusedError, match="does not match"):
        send_lines(api, lines(2), Merged())


def test_a_read_is_tried_again_while_the_platform_is_busy_and_no_longer() -> None:
    busy = Recorded(lambda _, __: ApiResponse(503, {"detail": "later"}))
    with pytest.raises(RefusedError, match="later"):
        busy.ask("GET", "/v1/health")
    assert len(busy.requests) == TRIES
    missing = Recorded(lambda _, __: ApiResponse(404, {"detail": "there is no such event"}))
    with pytest.raises(RefusedError, match="not found"):
        missing.ask("GET", "/v1/events/x")
    assert len(missing.requests) == 1


def test_pauses_grow_and_stay_bounded() -> None:
    still = [pause(attempt, None, lambda: 0.999) for attempt in range(1, 12)]
    assert still == sorted(still)
    assert max(still) <= LONGEST_PAUSE
    assert pause(1, 3600.0) == LONGEST_PAUSE


def test_what_is_not_shown_is_counted_and_an_unknown_type_has_a_next_step(
    capsys: pytest.CaptureFixture[str],
) -> None:
    merged, error = Merged(), {"pointer": "/eventType", "code": "unknown_type", "message": "no contract"}
    for number in range(SHOWN + 3):
        merged.note(Line(number, b"{}"), "rejected", errors=[error], quarantineId=f"q-{number}")
    with pytest.raises(RefusedError, match="millrace quarantine list --org org_acme shows"):
        show(merged.document(), as_json=False, org="org_acme")
    printed = " ".join(capsys.readouterr().out.split())
    assert f"[{SHOWN - 1}]" in printed
    assert f"[{SHOWN}]" not in printed
    assert "… and 3 more events" in printed
    assert "millrace contracts init, then make up" in printed


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([("rejected", "q-1")], "accepted; millrace quarantine list shows the refused ones"),
        (
            [("accepted", None), ("rejected", "q-1"), ("rejected", None), ("conflict", None)],
            "accepted; millrace quarantine list shows 1 of them, and 2 events kept nowhere",
        ),
        ([("rejected", None)], "accepted; 1 event kept nowhere: mend what it says, and send them again"),
        ([("unavailable", None)], "accepted; 1 event kept nowhere: mend what it says, and send them again"),
    ],
)
def test_only_what_is_in_quarantine_is_said_to_be_there(
    results: list[tuple[str, str | None]], said: str
) -> None:
    merged = Merged()
    for number, (status, kept) in enumerate(results):
        merged.note(Line(number, b"{}"), status, **({"quarantineId": kept} if kept else {}))
    with pytest.raises(RefusedError) as refused:
        show(merged.document(), as_json=False, org=None)
    assert str(refused.value).endswith(said)
