"""`millrace sources backfill`: what Stripe keeps comes through the real intake, once, and a kind that keeps nothing says what to do."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner

from cli import backfills, stripe_events
from cli.commands import sources as command
from cli.errors import RefusedError, UsageError
from cli.main import app
from millrace.core import clock
from tests.integration.test_sources_read import target
from tests.support.platform import ACME, GLOBEX, Platform
from tests.support.webhooks import SECRET, STRIPE, charge, deliver, set_secret

KEY = "rk_test_reads_events"


class Stripe:
    """Stripe's list of events, on this machine."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.asked: list[dict[str, str]] = []
        self.fails, self.repeats, self.ends_after = 0, False, 10**6
        stripe = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, document = stripe.answer(self.path, self.headers.get("authorization", ""))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(document).encode())

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def answer(self, path: str, credential: str) -> tuple[int, Any]:
        if credential != f"Bearer {KEY}":
            return 401, {}
        asked = {name: one for name, (one, *_) in parse_qs(urlsplit(path).query).items()}
        self.asked.append(asked)
        if self.fails:
            self.fails -= 1
            return 503, {}
        if len(self.asked) > self.ends_after:
            return 400, {}
        bounds = range(int(asked["created[gte]"]), int(asked["created[lt]"]))
        found = [one for one in self.events if one["created"] in bounds]
        start = 0
        if "starting_after" in asked and not self.repeats:
            start = 1 + next(n for n, one in enumerate(found) if one["id"] == asked["starting_after"])
        stop = start + int(asked["limit"])
        return 200, {
            "object": "list",
            "data": found[start:stop],
            "has_more": self.repeats or stop < len(found),
        }

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def stripe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stripe]:
    found = Stripe()
    address = f"http://127.0.0.1:{found.server.server_port}/v1/events"
    pages = stripe_events.pages
    monkeypatch.setattr(stripe_events, "pages", lambda key, first, end: pages(key, first, end, address))
    monkeypatch.setattr(command, "find_target", lambda _: target())
    monkeypatch.setenv("STRIPE_API_KEY", KEY)
    yield found
    found.close()


@pytest.fixture
def running(warm: Platform) -> Platform:
    warm.empty()
    warm.restart_all()
    set_secret(STRIPE, SECRET, overlap=timedelta(0))
    return warm


def old(number: int, **changed: Any) -> dict[str, Any]:
    """A charge of a minute ago."""
    return {**charge(number, **changed), "created": clock.epoch(clock.now()) - 60}


def ran(*arguments: str) -> tuple[int, str]:
    yesterday = clock.day_text(clock.now() - timedelta(days=1))
    result = CliRunner().invoke(app, ["sources", "backfill", *arguments, "--from", yesterday])
    return result.exit_code, result.output + str(result.exception or "")


def counts(*arguments: str) -> tuple[int, int, int]:
    code, said = ran(STRIPE, *arguments, "--json")
    assert code == 0, said
    found = json.loads(said.splitlines()[-1])
    return found["accepted"], found["duplicates"], found["rejected"]


def test_what_was_missed_comes_once_and_what_came_is_a_duplicate(running: Platform, stripe: Stripe) -> None:
    stripe.events = [*(old(number) for number in range(250)), old(300, currency="euro")]
    for missed in stripe.events[3:5]:
        assert deliver(running, STRIPE, missed)["body"]["accepted"] == 1
    assert counts() == (248, 2, 1)
    assert len(running.rows("Events")) == 250
    assert len(stripe.asked) == 3
    assert counts()[0] == 0
    lines = [one for one in running.get("/v1/audit")["body"]["items"] if one["action"] == "sources.backfill"]
    assert [one["detail"]["source"] for one in lines] == [STRIPE, STRIPE]
    others = {one["action"] for one in running.get("/v1/audit", org=GLOBEX)["body"]["items"]}
    assert "sources.backfill" not in others


def test_a_run_that_ended_in_the_middle_is_repeated(running: Platform, stripe: Stripe) -> None:
    stripe.events = [old(number) for number in range(150)]
    stripe.ends_after = 1
    code, said = ran(STRIPE)
    assert (code, "answers 400" in said) == (1, True)
    assert len(running.rows("Events")) == 100
    stripe.ends_after = 10**6
    assert counts() == (50, 100, 0)


def test_a_refused_one_is_in_quarantine_once_however_often_the_days_are_brought(
    running: Platform, stripe: Stripe
) -> None:
    day = clock.midnight(clock.utc_day(clock.now()) - timedelta(days=1))
    stripe.events = [{**charge(1, currency="euro"), "created": clock.epoch(day) + 60}]
    for _ in range(2):
        assert counts("--to", clock.day_text(day)) == (0, 0, 1)
    assert len(running.get("/v1/quarantine")["body"]["items"]) == 1


def test_stripe_that_does_not_answer_is_tried_again_and_one_that_goes_round_is_left(
    running: Platform, stripe: Stripe
) -> None:
    stripe.events, stripe.fails = [old(1)], 2
    assert counts() == (1, 0, 0)
    stripe.repeats = True
    code, said = ran(STRIPE)
    assert (code, "repeats a page" in said) == (1, True)
    assert len(stripe.asked) < 10


def test_what_cannot_be_brought_is_refused_with_what_to_do(
    running: Platform, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, wanted in (
        ("platform-bus", "archive"),
        ("demo-service", "send again on its own page"),
        ("strip", "did you mean stripe?"),
    ):
        code, said = ran(name)
        assert (code in (1, 2), wanted in said) == (True, True), said
    monkeypatch.setenv("STRIPE_API_KEY", "rk_other")
    assert "refuses the key" in ran(STRIPE)[1]
    monkeypatch.setenv("STRIPE_API_KEY", "")
    assert "STRIPE_API_KEY is empty" in ran(STRIPE)[1]
    tomorrow = clock.day_text(clock.now() + timedelta(days=1))
    result = CliRunner().invoke(app, ["sources", "backfill", STRIPE, "--from", tomorrow, "--to", tomorrow])
    assert isinstance(result.exception, UsageError)
    assert not running.rows("Events")


def test_a_kind_offers_it_by_a_function(
    running: Platform, stripe: Stripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[backfills.Backfill] = []

    def brings(wanted: backfills.Backfill) -> Any:
        seen.append(wanted)
        raise RefusedError("the bus has no archive")

    monkeypatch.setattr(backfills, "KINDS", {"bus": brings})
    assert "no archive" in ran("platform-bus")[1]
    (wanted,) = seen
    assert (wanted.source.org, wanted.source.kind) == (ACME, "bus")
    assert wanted.first < wanted.end <= datetime.now(UTC)
    assert isinstance(wanted.bundle, Path)
