"""Sigma rules over the gateway's access log: each object is asked once, whenever it comes and whatever fails on the way."""

import base64
import gzip
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from millrace.access.tenants import OPERATOR
from millrace.alerts.alert import Alert
from millrace.audit import access_logs
from millrace.contracts.fields import fields
from millrace.core import bundle as core_bundle
from millrace.core import clock
from millrace.core.errors import RetryableError
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore.row import from_item
from millrace.sigma import gateway_lines, line_rules, watch_access_logs
from millrace.sigma.gateway_lines import GATEWAY
from millrace.sigma.watch_access_logs import AccessWatch, Asked
from tests.support.alerting import NOON, ORG, Alerting
from tests.support.shaky import Shaky, each_call
from tests.support.stores import MemoryDynamoDB, MemoryS3

GLOBEX = "org_globex"
DENIED = "gateway_denials_of_one_caller"
SCAN = "gateway_scan"
FAILED = "gateway_failures_of_one_tenant"
SCANNER = "gateway_client_is_a_scanner"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class World(Alerting):
    """With a lake that the log comes to as CloudWatch hands it on."""

    def __init__(self, dynamodb: Any = None, s3: Any = None) -> None:
        super().__init__(dynamodb)
        self.s3 = s3 or MemoryS3(lambda: self.now)
        self.lake = Objects(self.s3, "lake")
        self.count = 0

    def come(self, lines: Iterable[tuple[float, dict[str, Any]]], raw: Sequence[str] = ()) -> list[str]:
        """A batch of lines with their minutes after noon; the keys of its objects."""
        several = []
        for minutes, changes in lines:
            self.count += 1
            line = {**LINE, "requestId": f"r{self.count}", "time": clf(minutes), **changes}
            several.append((minutes, orjson.dumps(line).decode()))
        several += [(0.0, text) for text in raw]
        keys = []
        for key, body in access_logs.objects(batch(several, self.count)):
            self.lake.put(key, body)
            keys.append(key)
        return keys

    def ask(
        self, minutes: float = 0, left: Callable[[], float] = lambda: 60.0, raise_all: Any = None
    ) -> Asked:
        self.now = NOON + timedelta(minutes=minutes)
        metadata = Table(self.dynamodb, "Metadata")
        rules = line_rules.load(GATEWAY)
        watch = AccessWatch(self.lake, metadata, rules, raise_all or self.alerts.raise_all, str)
        return watch.run(self.now, left)

    def raised(self) -> list[tuple[str, str, str]]:
        told = (from_item(row, self.codec).envelope for row in self.items())
        return sorted(
            (
                one["platform"]["orgId"],
                one["data"]["payload"]["ruleId"],
                one["data"]["payload"]["subject"],
            )
            for one in told
            if one["eventType"] == "alert.raised"
        )


LINE: dict[str, Any] = {
    "route": "POST /v1/events",
    "method": "POST",
    "status": "202",
    "bytes": "120",
    "latencyMs": "12",
    "org": ORG,
    "kind": "key",
    "principal": "k_1",
    "agent": "python-urllib3/2",
    "authorizerError": "-",
    "integrationError": "-",
}
NOBODY: dict[str, Any] = {"org": "-", "kind": "-", "principal": "-"}
LOST = {**NOBODY, "route": "-", "status": "404"}


def clf(minutes: float) -> str:
    moment = NOON + timedelta(minutes=minutes)
    return f"{moment:%d}/{MONTHS[moment.month - 1]}/{moment:%Y:%H:%M:%S} +0000"


def batch(lines: Sequence[tuple[float, str]], number: int) -> dict[str, Any]:
    listed = [
        {
            "id": f"{number}-{at}",
            "timestamp": clock.epoch_millis(NOON + timedelta(minutes=minutes)),
            "message": text,
        }
        for at, (minutes, text) in enumerate(lines)
    ]
    document = {"messageType": "DATA_MESSAGE", "logEvents": listed}
    return {"awslogs": {"data": base64.b64encode(gzip.compress(orjson.dumps(document))).decode()}}


@pytest.fixture
def world(bundle: Path) -> World:
    assert bundle.is_dir()
    return World()


def several(count: int, minutes: float = 0, within: float = 5, **changes: Any) -> list[tuple[float, Any]]:
    """As many lines, spread over so many minutes."""
    return [(minutes + within * number / count, changes) for number in range(count)]


# What each rule that is shipped finds, and what is next to it: lines, and the alerts.
SHIPPED: dict[str, tuple[list[tuple[float, Any]], list[tuple[str, str, str]]]] = {
    "a key that may not": (several(50, status="403"), [(ORG, DENIED, "caller:k_1")]),
    "a few refusals": (several(49, status="403"), []),
    "refusals of several": (
        [
            *several(49, status="403"),
            *several(49, status="403", principal="k_2"),
            *several(40, org=GLOBEX, status="403"),
        ],
        [],
    ),
    "refusals of hours": (several(60, minutes=-30, within=120, status="403")[:40], []),
    "nobody's credentials": (
        several(50, status="401", **NOBODY),
        [(OPERATOR, DENIED, "caller:POST /v1/events")],
    ),
    "addresses that are none": (several(100, **LOST), [(OPERATOR, SCAN, "caller:no route")]),
    "a few of them": (several(99, **LOST), []),
    "ids that are guessed": (
        several(100, status="404", route="GET /v1/events/{eventId}"),
        [(ORG, SCAN, "caller:k_1")],
    ),
    "objects that are not there, all day": (several(100, within=25, status="404"), []),
    "failures of a tenant": (
        [*several(25, status="500"), *several(25, status="503", principal="k_2")],
        [(ORG, FAILED, "org_id:org_acme")],
    ),
    "failures of two tenants": ([*several(49, status="500"), *several(49, status="500", org=GLOBEX)], []),
    "a scanner": ([(0, {"agent": "sqlmap/1.7 (https://sqlmap.org)"})], [(ORG, SCANNER, "caller:k_1")]),
    "a scanner without a route": (
        [(0, {**LOST, "agent": "Mozilla/5.00 (Nikto/2.1.6)"})],
        [(OPERATOR, SCANNER, "caller:no route")],
    ),
}


@pytest.mark.parametrize("what", SHIPPED)
def test_what_the_rules_that_are_shipped_find(bundle: Path, what: str) -> None:
    """The same from one batch, and from batches that come and are asked one by one, each twice."""
    assert bundle.is_dir()
    lines, wanted = SHIPPED[what]
    whole, one_by_one = World(), World()
    whole.come(lines)
    whole.ask(30)
    assert whole.raised() == wanted
    for at in range(0, len(lines), 20):
        for _ in range(2):
            one_by_one.count = at
            one_by_one.come(lines[at : at + 20])
            one_by_one.ask(30)
    assert one_by_one.raised() == wanted


def test_every_shipped_rule_has_lines_that_it_finds(bundle: Path) -> None:
    document = core_bundle.document(bundle, core_bundle.SIGMA)
    named = {one["name"] for one in (*document["gatewayRules"], *document["gatewayPatterns"])}
    assert named == {rule for _, alerts in SHIPPED.values() for _, rule, _ in alerts}


def test_an_object_is_asked_once_also_when_it_comes_late(world: World) -> None:
    world.ask(-60)
    world.come(several(25, minutes=-1, within=0.5, status="403"))
    assert world.ask(35).lines == 25
    world.come(several(20, minutes=1, status="403"))
    assert world.ask(95).lines == 20
    assert world.ask(155).objects == 0
    assert world.raised() == []
    # CloudWatch tried for hours. What they complete is an old line's, and so is the moment of the alert.
    world.come(several(5, minutes=-2, within=0.5, status="403"))
    asked = world.ask(600)
    assert (asked.objects, asked.lines) == (1, 5)
    assert world.raised() == [(ORG, DENIED, "caller:k_1")]
    assert world.ask(660).objects == 0
    assert len(world.raised()) == 1


def test_lines_that_are_handed_on_again_in_another_batch_are_the_same_lines(world: World) -> None:
    for number in range(3):
        world.count = 0
        world.come([*several(30, status="403"), (6, {"requestId": f"x{number}"})])
        world.ask(30)
    assert world.raised() == []


def test_what_spans_the_end_of_an_hour_is_found(world: World) -> None:
    world.ask(-60)
    world.come(several(40, minutes=-30, within=29, status="403"))
    world.ask(-1)
    world.come(several(10, minutes=1, within=25, status="403"))
    world.ask(35)
    assert world.raised() == [(ORG, DENIED, "caller:k_1")]


def test_odd_lines_are_counted_and_keep_nothing_else_from_being_asked(world: World) -> None:
    keys = world.come(
        [
            *several(25, status="403", agent="x" * 300_000),
            *several(25, status="403", time="yesterday"),
            (0, {"org": "../platform", "status": "404", "agent": "sqlmap"}),
            (0, {"org": 7, "requestId": None, "agent": ["sqlmap"], "status": 200}),
            (0, {"status": "-"}),
            (0, {"status": "9" * 400}),
        ],
        raw=['{"status": "500"', "[]", "7", '"text"', "null"],
    )
    torn = access_logs.hour_prefix(NOON) + "0" * 32 + access_logs.SUFFIX
    world.lake.put(torn, gzip.compress(b"{}" * 1000)[:20])
    world.lake.put(torn.replace("0" * 32, "1" * 32), b"no gzip")
    world.lake.put(access_logs.hour_prefix(NOON) + "note.txt", b"of an auditor")
    asked = world.ask(30)
    assert (asked.objects, asked.unreadable, asked.lines, asked.odd) == (len(keys) + 2, 2, 52, 7)
    assert world.raised() == [(OPERATOR, SCANNER, "caller:k_1"), (ORG, DENIED, "caller:k_1")]
    assert world.ask(90).objects == 0


def test_the_past_is_not_told_at_the_first_look_and_nothing_later_is_passed_over(world: World) -> None:
    world.come(several(60, minutes=-150, status="403"))
    assert world.ask(0).objects == 0
    world.come(several(60, minutes=10, status="403"))
    # Nobody asked for a month.
    world.ask(30 * 24 * 60)
    assert world.raised() == [(ORG, DENIED, "caller:k_1")]


def test_whatever_call_fails_the_alerts_are_the_same(bundle: Path) -> None:
    assert bundle.is_dir()

    def told(tables: Shaky) -> object:
        world = World(tables)
        world.come(several(60, minutes=-20, status="403"))
        world.come([*several(50, status="500", org=GLOBEX), *several(100, **LOST)])

        def at_once() -> None:
            if world.ask(30).failed:
                raise RetryableError("again")

        tables.retried(at_once, restart=lambda: None)
        return world.raised()

    each_call(told, least=15)


def test_a_run_that_is_killed_before_it_marks_what_it_asked_tells_nothing_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.come(several(60, status="403"))
    with monkeypatch.context() as killed:
        killed.setattr(AccessWatch, "_mark", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            world.ask(30)
    assert len(world.raised()) == 1
    assert world.ask(31).objects == 1
    assert len(world.raised()) == 1
    assert world.ask(32).objects == 0


def test_a_tenant_whose_alerts_fail_takes_nothing_from_the_others_and_is_asked_again(world: World) -> None:
    world.come([*several(60, status="403"), *several(60, status="403", org=GLOBEX)])

    def raise_all(alerts: Sequence[Alert]) -> None:
        if alerts[0].org == ORG:
            raise RetryableError("the table does not answer")
        world.alerts.raise_all(alerts)

    assert world.ask(30, raise_all=raise_all).failed == [ORG]
    assert [org for org, _, _ in world.raised()] == [GLOBEX]
    assert world.ask(90).failed == []
    assert [org for org, _, _ in world.raised()] == [ORG, GLOBEX]


def test_what_there_was_no_time_for_is_asked_the_next_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_access_logs, "MOST_OBJECTS", 2)
    world.ask(-60)
    for number in range(5):
        world.come(several(20, minutes=number, within=0.5, status="403"))
    budget = iter((1, 1, 1, 0))
    first = world.ask(30, left=lambda: next(budget))
    assert (first.objects, first.left) == (4, 1)
    assert world.raised() == [(ORG, DENIED, "caller:k_1")]
    second = world.ask(35)
    assert (second.objects, second.left) == (1, 0)
    assert len(world.raised()) == 1


def test_thousands_of_lines_of_two_tenants(world: World) -> None:
    """A flood of one tenant neither hides what happens to the other nor is more than one alert of a caller in an hour."""
    for minute in range(50):
        world.come(several(100, minutes=minute, within=1, status="404"))
        world.come(several(2, minutes=minute, within=1, org=GLOBEX, status="403", principal="g"))
        world.come(several(50, minutes=minute, within=1, org=GLOBEX, principal="g"))
    asked = world.ask(55)
    assert (asked.lines, asked.failed) == (7_600, [])
    assert world.raised().count((GLOBEX, DENIED, "caller:g")) == 1
    assert set(world.raised()) == {(GLOBEX, DENIED, "caller:g"), (ORG, SCAN, "caller:k_1")}


def test_an_alert_names_the_request(world: World) -> None:
    world.come([(0, {"agent": "nikto", "route": "GET /v1/events/{eventId}", "status": "403"})])
    world.ask(30)
    (payload,) = world.events("alert.raised")
    assert payload["message"].startswith(
        "Request r1, GET /v1/events/{eventId} with status 403 by k_1, matches the Sigma rule "
    )
    assert (payload["kind"], payload["severity"]) == ("sigma", "warning")


def test_a_line_as_an_event_has_what_rules_ask(bundle: Path) -> None:
    assert bundle.is_dir()
    made = gateway_lines.event({**LINE, "requestId": "r", "time": "30/Nov/2026:14:30:05 +0230"}, NOON, "x")
    assert made is not None
    read = {name: one.read(made.envelope) for name, one in fields(GATEWAY.contract).items()}
    assert {
        name: read[name] for name in ("method", "route", "status", "bytes", "latency_ms", "caller", "org_id")
    } == {
        "method": "POST",
        "route": "/v1/events",
        "status": 202,
        "bytes": 120,
        "latency_ms": 12,
        "caller": "k_1",
        "org_id": ORG,
    }
    assert (read["authorizer_error"], made.envelope["timestamp"]) == (None, "2026-11-30T12:00:05.000Z")


def test_of_two_runs_at_once_the_one_that_is_further_stands(world: World) -> None:
    world.ask(0)
    world.come(several(60, status="403"))

    def slower(_: Sequence[Alert]) -> None:
        world.ask(61)

    world.ask(60, raise_all=slower)
    (row,) = Table(world.dynamodb, "Metadata").query(
        "entityTypeKey = :key AND entityId = :one",
        {":key": {"S": "platform#access-watched#0"}, ":one": {"S": "position"}},
    )
    assert row["at"]["S"] == "2026-11-30T13:01:00.000Z"
    assert isinstance(world.dynamodb, MemoryDynamoDB)
