"""The client for producers: nothing that `send` took is lost, and nothing is sent under another id."""

import logging
import math
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from millrace.client import BufferFullError, Client, ClosedError, Response, client
from millrace.client.buffer import Buffer

pytestmark = pytest.mark.unit

URL, KEY = "https://api.example.com", "mk_test"
Answer = Callable[[list[dict[str, Any]]], Response]


class Platform:
    """Answers batches: first what `answers` says, then everything is accepted. Keeps what it was sent."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.batches: list[list[dict[str, Any]]] = []
        self.bodies: list[bytes] = []

    def __call__(self, body: bytes) -> Response:
        batch = [orjson.loads(line) for line in body.split(b"\n")]
        self.bodies.append(body)
        self.batches.append(batch)
        return self.answers.pop(0)(batch) if self.answers else results(["accepted"] * len(batch))

    @property
    def ids(self) -> list[str]:
        return [event["eventId"] for batch in self.batches for event in batch]


def results(statuses: Sequence[str]) -> Response:
    return Response(207, {"results": [{"index": n, "status": s} for n, s in enumerate(statuses)]})


def answers(status: int) -> Answer:
    return lambda _: Response(status, {"detail": "no"})


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(client, "LONGEST_PAUSE", 0.01)


def made(platform: Platform, **options: Any) -> Client:
    return Client(URL, KEY, transport=platform, **{"wait": 0.01, **options})


def test_thousands_of_events_arrive_once_in_batches_of_at_most_five_hundred() -> None:
    platform = Platform()
    with made(platform) as events:
        ids = [events.send("order.created", {"number": n}) for n in range(2300)]
        assert events.flush(20)
    assert platform.ids == ids
    assert max(map(len, platform.batches)) <= 500
    assert events.counts.taken == 2300


@pytest.mark.parametrize(
    "failure",
    [
        answers(404),
        answers(405),
        answers(302),
        answers(0),
        answers(503),
        answers(429),
        answers(500),
        answers(401),
        answers(403),
    ],
)
def test_what_got_no_answer_is_sent_again_under_the_same_ids(failure: Answer) -> None:
    platform = Platform(failure, failure)
    with made(platform) as events:
        sent = {events.send("order.created", {"number": n}) for n in range(3)}
        assert events.flush(20)
    assert set(platform.ids) == sent
    assert events.counts.taken == 3
    assert events.counts.retries == 2


def test_of_a_mixed_answer_only_the_unavailable_are_sent_again() -> None:
    refused: list[tuple[str, str]] = []
    platform = Platform(lambda _: results(["accepted", "unavailable", "rejected", "duplicate", "conflict"]))
    with made(
        platform,
        wait=0.5,
        on_refused=lambda event, result: refused.append((event["eventId"], result["status"])),
    ) as events:
        ids = [events.send("order.created", {"number": n}) for n in range(5)]
        assert events.flush(20)
    assert platform.ids == [*ids, ids[1]]
    assert refused == [(ids[2], "rejected"), (ids[4], "conflict")]
    assert (events.counts.taken, events.counts.refused) == (3, 2)


def test_a_batch_that_is_too_large_is_halved_until_one_event_is_refused() -> None:
    def small(batch: list[dict[str, Any]]) -> Response:
        return Response(413, {"detail": "too large"}) if len(batch) > 1 else results(["accepted"])

    refused: list[Mapping[str, Any]] = []
    platform = Platform(*[small] * 7)
    with made(platform, wait=0.5, on_refused=lambda event, _: refused.append(event)) as events:
        ids = [events.send("order.created", {"number": n}) for n in range(4)]
        assert events.flush(20)
    assert not refused
    assert [batch[0]["eventId"] for batch in platform.batches if len(batch) == 1] == ids
    assert events.counts.taken == 4


def test_one_event_that_spoils_its_request_does_not_keep_the_others() -> None:
    def spoiled(batch: list[dict[str, Any]]) -> Response:
        bad = any(event["data"]["payload"].get("bad") for event in batch)
        return Response(400, {"detail": "no"}) if bad else results(["accepted"] * len(batch))

    refused: list[Mapping[str, Any]] = []
    platform = Platform(*[spoiled] * 20)
    with made(platform, wait=0.5, on_refused=lambda event, _: refused.append(event)) as events:
        for n in range(8):
            events.send("order.created", {"bad": n == 5, "number": n})
        assert events.flush(20)
    assert [event["data"]["payload"]["number"] for event in refused] == [5]
    assert events.counts.taken == 7


def test_a_file_keeps_what_was_not_sent_for_the_next_client(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "some folder" / "events.sqlite"
    down = made(Platform(*[answers(0)] * 10_000), buffer=file)
    ids = [down.send("order.created", {"number": n}) for n in range(700)]
    with caplog.at_level(logging.WARNING, "millrace.client"):
        down.close(0.05)
    assert f"700 events were not sent and wait in {file}" in caplog.text
    up = Platform()
    with made(up, buffer=file) as events:
        assert events.flush(20)
    assert up.ids == ids


def test_what_send_returned_an_id_for_is_in_the_file_before_any_request(tmp_path: Path) -> None:
    file = tmp_path / "events.sqlite"
    held = threading.Event()

    def hold(batch: list[dict[str, Any]]) -> Response:
        held.wait(10)
        return results(["accepted"] * len(batch))

    events = made(Platform(hold), buffer=file)
    sent = events.send("order.created", {"number": 1})
    other = sqlite3.connect(file)
    ((body,),) = other.execute("SELECT body FROM events").fetchall()
    other.close()
    assert orjson.loads(body)["eventId"] == sent
    held.set()
    events.close()


def test_what_is_counted_has_left_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    real = Buffer.remove

    def remove(buffer: Buffer, numbers: Sequence[int]) -> None:
        counted.append(sender.counts.taken)
        real(buffer, numbers)

    monkeypatch.setattr(Buffer, "remove", remove)
    with made(Platform(), buffer=tmp_path / "events.sqlite") as sender:
        sender.send("order.created", {"n": 1})
        assert sender.flush(10)
        assert sender.counts.taken == 1
    assert counted == [0], "a process that is killed here sends the event again, and counts it once"


def test_without_a_file_the_log_says_how_many_are_lost(caplog: pytest.LogCaptureFixture) -> None:
    events = made(Platform(*[answers(503)] * 10_000))
    events.send("order.created", {})
    with caplog.at_level(logging.WARNING, "millrace.client"):
        events.close(0.02)
    assert "1 events were not sent and are lost" in caplog.text


def test_a_full_buffer_refuses_and_loses_nothing() -> None:
    events = made(Platform(*[answers(503)] * 10_000), most=3)
    for n in range(3):
        events.send("order.created", {"number": n})
    with pytest.raises(BufferFullError, match="3 events wait"):
        events.send("order.created", {"number": 3})
    events.close(0)


def test_a_callback_that_fails_stops_nothing() -> None:
    platform = Platform(lambda batch: results(["rejected"] * len(batch)))

    def fails(_: object, __: object) -> None:
        raise RuntimeError("mine")

    with made(platform, on_refused=fails) as events:
        events.send("order.created", {})
        assert events.flush(10)
        last = events.send("order.created", {})
        assert events.flush(10)
    assert platform.ids[-1] == last


def test_amounts_are_written_digit_by_digit_and_nothing_turns_into_null() -> None:
    platform = Platform()
    with made(platform) as events:
        events.send("order.created", {"total": Decimal("999999999999.1234"), "tiny": Decimal("0.0000")})
        for value in (math.nan, math.inf, Decimal("NaN")):
            with pytest.raises(ValueError, match="not a number that JSON has"):
                events.send("order.created", {"items": [{"price": value}]})
        with pytest.raises(TypeError, match="set"):
            events.send("order.created", {"items": {1}})
        with pytest.raises(ValueError, match="without a zone"):
            events.send("order.created", {}, timestamp=datetime(2026, 1, 1))  # noqa: DTZ001  what is refused
        with pytest.raises(ValueError, match="are the most"):
            events.send("order.created", {"note": "x" * 300_000})
    assert b'"total":999999999999.1234,"tiny":0.0000' in platform.bodies[0]
    assert len(platform.ids) == 1


def test_only_what_was_given_is_in_the_envelope() -> None:
    platform = Platform()
    with made(platform) as events:
        events.send("a.b", {"x": 1}, event_id="ticket-7", timestamp="2026-01-01T00:00:00Z")
        events.send("a.b", {}, user_id="u", session_id="s", correlation_id="c", version="1.2", source="shop")
    first, second = (event for batch in platform.batches for event in batch)
    assert first == {
        "eventId": "ticket-7",
        "eventType": "a.b",
        "timestamp": "2026-01-01T00:00:00Z",
        "data": {"payload": {"x": 1}, "metadata": {}},
    }
    assert (second["userId"], second["sessionId"], second["correlationId"]) == ("u", "s", "c")
    assert (second["version"], second["eventSource"]) == ("1.2", "shop")


def test_a_closed_client_takes_nothing() -> None:
    events = made(Platform())
    events.close()
    events.close()
    with pytest.raises(ClosedError):
        events.send("order.created", {})


def test_sixteen_threads_share_a_client() -> None:
    platform = Platform()
    with made(platform) as events:
        sent: list[str] = []

        def many() -> None:
            sent.extend(events.send("order.created", {"n": n}) for n in range(100))

        threads = [threading.Thread(target=many) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert events.flush(20)
    assert sorted(platform.ids) == sorted(sent)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_after_a_fork_the_child_sends_for_itself(tmp_path: Path) -> None:
    file = tmp_path / "events.sqlite"
    events = made(Platform(*[answers(503)] * 10_000), buffer=file)
    events.send("order.created", {"from": "parent"})
    child = os.fork()
    if child == 0:
        try:
            events.send("order.created", {"from": "child"})
            alive = events._thread.is_alive()
        except BaseException:  # noqa: BLE001  a child that goes on would run the other tests
            os._exit(2)
        os._exit(0 if alive else 1)
    end = time.monotonic() + 20
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < end:
        time.sleep(0.01)
    assert ended == (child, 0)
    events.close(0)
    other = sqlite3.connect(file)
    bodies = [orjson.loads(body) for (body,) in other.execute("SELECT body FROM events ORDER BY number")]
    other.close()
    assert [body["data"]["payload"]["from"] for body in bodies] == ["parent", "child"]
