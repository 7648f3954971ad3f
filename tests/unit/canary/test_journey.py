"""The canary's journey over an API that answers as it is told."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any, get_args

import pytest

from millrace.canary import report
from millrace.canary.events import ORG, CanaryEvents, canary_events
from millrace.canary.journey import WINDOWS, Gzip, Journey, PathCheck, paths
from millrace.contracts.registry import Registry
from millrace.core.errors import RetryableError
from millrace.core.settings import Environment

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ALL_STEPS = ("accepted", "projected", "archived", "counted", "routed", "scored")


def ids() -> Iterator[str]:
    return (f"00000000-0000-4000-8000-{number:012d}" for number in count())


@pytest.fixture
def sent() -> CanaryEvents:
    made = ids()
    return canary_events("canary-1", AT, lambda: next(made))


class Api:
    """Everything arrives at once, but for the steps and addresses that are named."""

    def __init__(
        self,
        sent: CanaryEvents,
        *,
        without: tuple[str, ...] = (),
        post: tuple[int, Any] | None = None,
        compressed: tuple[int, Any] = (200, {"results": [{"status": "duplicate"}]}),
    ) -> None:
        self._sent, self._without, self._post, self._compressed = sent, without, post, compressed
        self.calls: list[str] = []
        self._posted = False

    def __call__(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.calls.append(f"{method} {path}")
        if isinstance(body, Gzip):
            assert body.body == [self._sent.canary]
            return self._compressed
        if method == "POST":
            self._posted = True
            results = [{"status": "accepted"}] * 3 + [{"status": "rejected", "quarantineId": "q1"}]
            return self._post or (207, {"results": results})
        if any(part in path for part in self._without):
            return 404, {}
        if path.endswith("/trace"):
            steps = [{"step": step} for step in ALL_STEPS if step not in self._without]
            return 200, {"steps": steps}
        if path.startswith("/v1/quarantine/"):
            return 200, {"eventId": self._sent.broken["eventId"]}
        if path.startswith(WINDOWS):
            # Another canary was counted in this window before.
            return 200, {
                "items": [{"events": 2 if self._posted and "in its window" not in self._without else 1}]
            }
        if path.startswith("/v1/events?"):
            return 200, {"items": [{"eventId": self._sent.canary["eventId"]}]}
        return 200, {"eventId": self._sent.over_bus["eventId"]}


def travel(sent: CanaryEvents, api: Api, **more: Any) -> dict[str, PathCheck]:
    moments = count(0, 0.25)
    given: dict[str, Any] = {"archived": lambda *_: True, "publish": lambda _: None, **more}
    going = Journey(call=api, seconds=5, timer=lambda: next(moments), sleep=lambda _: None, **given)
    return {check.path: check for check in going.travel(sent, AT)}


def test_everything_arrives(sent: CanaryEvents) -> None:
    found = travel(sent, Api(sent))
    assert set(found) == {"http", *paths()}
    assert {check.status for check in found.values()} == {"ok"}
    assert all(check.ms is not None and check.ms > 0 for check in found.values())


@pytest.mark.parametrize(
    ("missing", "path"),
    [
        ("projected", "projection"),
        ("archived", "archive"),
        ("routed", "route"),
        ("scored", "fraud"),
        ("/v1/quarantine/", "quarantine"),
        ("eventType=", "reads"),
        ("counted", "count"),
        ("in its window", "count"),
        (WINDOWS, "count"),
    ],
)
def test_what_does_not_arrive_is_named_and_nothing_else(sent: CanaryEvents, missing: str, path: str) -> None:
    found = travel(sent, Api(sent, without=(missing,)))
    assert {name for name, check in found.items() if check.status == "fail"} == {path}
    assert "5 s" in found[path].detail


@pytest.mark.parametrize(
    "answer",
    [(400, {"message": "the body is not gzip"}), (200, {"results": [{"status": "accepted"}]}), (0, "gone")],
)
def test_a_compressed_body_that_comes_otherwise_is_a_path_that_fails(sent: CanaryEvents, answer: Any) -> None:
    checks = travel(sent, Api(sent, compressed=answer))
    assert {name for name, check in checks.items() if check.status == "fail"} == {"gzip"}
    assert str(answer[0]) in checks["gzip"].detail


def test_the_log_and_the_bus_are_looked_at_for_themselves(sent: CanaryEvents) -> None:
    assert travel(sent, Api(sent), archived=lambda *_: False)["log-only"].status == "fail"
    assert travel(sent, Api(sent), publish=None)["bus"].status == "skipped"

    def refused(_: dict[str, Any]) -> None:
        raise RetryableError("no bus")

    assert travel(sent, Api(sent), publish=refused)["bus"] == PathCheck("bus", "fail", None, "no bus")


@pytest.mark.parametrize(
    "post",
    [(0, "nobody"), (503, None), (202, {"results": [{"status": "accepted"}] * 4}), (401, {"message": "no"})],
)
def test_when_nothing_was_sent_nothing_is_waited_for(sent: CanaryEvents, post: tuple[int, Any]) -> None:
    api = Api(sent, post=post)
    found = travel(sent, api)
    assert found["http"].status == "fail"
    assert {found[path].status for path in paths()} == {"skipped"}
    assert api.calls[1:] == ["POST /v1/events"]


def test_metrics_say_how_many_failed_and_how_long_each_took(sent: CanaryEvents) -> None:
    checks = [
        PathCheck("http", "ok", 12),
        PathCheck("log-only", "ok", 800),
        PathCheck("fraud", "fail"),
        PathCheck("bus", "skipped"),
    ]
    told = {name: value for name, (value, _) in report.metrics(checks, each_path=True).items()}
    assert told == {"CanaryPathsFailed": 1, "CanaryHttpMilliseconds": 12, "CanaryLogOnlyMilliseconds": 800}
    told = {name: value for name, (value, _) in report.metrics(checks, each_path=False).items()}
    assert told == {"CanaryPathsFailed": 1, "CanarySlowestMilliseconds": 800}


def test_the_events_keep_their_contracts(bundle: Any, sent: CanaryEvents) -> None:
    registry = Registry(bundle)
    for event in (sent.canary, sent.transaction, sent.logged, sent.over_bus):
        contract = registry.find(event["eventType"])
        assert registry.validator(contract).errors(event) == [], event["eventType"]
    assert registry.validator(registry.find(sent.broken["eventType"])).errors(sent.broken)
    assert registry.find(sent.logged["eventType"]).store == "none"
    assert registry.find(sent.canary["eventType"]).route


@pytest.mark.usefixtures("bundle")
def test_the_binding_names_the_canaries_tenant() -> None:
    from millrace.feeders import binding

    for environment in get_args(Environment):
        (canary,) = [one for one in binding.load(environment) if one.name == "canary"]
        assert canary.org == ORG
        assert canary.bus is not None
        assert (canary.bus.bus, canary.bus.source) == ("platform", "millrace.canary")
