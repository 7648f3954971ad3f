"""The same for what is made of events as they come, alerts, patterns and their timers; and for requests for access."""

import gzip
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from millrace.audit import access_logs
from millrace.core import audit, clock
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.patterns import definition
from millrace.patterns.timers import Timer, Timers
from millrace.people.requests import OPEN, Requests, SubjectRequest, due, new_id
from tests.integration.test_rights import UNUSED as OF_CONSUMERS
from tests.support import events
from tests.support.alerting import ALERT, Alerting
from tests.support.callers import Person
from tests.support.platform import ACME, LAKE, Platform, platform
from tests.support.rights import BY_LAMBDA, Call, Recorder, Rights
from tests.support.templates import templates
from tests.support.user_ids import number_of

FUNCTIONS = (
    "analyze_events",
    "change_alerts",
    "decide_grants",
    "keep_audit",
    "sweep_timers",
    "watch_anomalies",
    "watch_audit",
)
STORM = "only of a storm of alerts; tests/unit/alerts/test_alerts.py has it"
ANOMALY = (
    "only of an anomaly, two weeks after a tenant's first event; tests/unit/anomalies/test_run.py has it"
)
OTHER_KEY = "of an absence that is joined by it, of which none is shipped"
UNUSED: dict[str, dict[Call, str]] = {
    "analyze_events": {
        **OF_CONSUMERS["analyze_events"],
        ("dynamodb:GetItem", "table/Events"): "of a match whose closing event came before the others",
        ("dynamodb:PutItem", "table/Analytics"): "of a batch that comes late, and of a storm of alerts",
    },
    "keep_audit": {
        ("dynamodb:BatchWriteItem", "table/Analytics"): STORM,
        ("dynamodb:PutItem", "table/Analytics"): STORM,
    },
    "watch_anomalies": {
        ("dynamodb:BatchGetItem", "table/Analytics"): "of sealed days",
        ("dynamodb:BatchWriteItem", "table/Analytics"): STORM,
        ("dynamodb:PutItem", "table/Events"): ANOMALY,
        ("dynamodb:UpdateItem", "table/Analytics"): ANOMALY,
    },
    "watch_audit": {
        ("dynamodb:BatchWriteItem", "table/Analytics"): STORM,
        ("dynamodb:PutItem", "table/Analytics"): STORM,
    },
    "sweep_timers": {
        ("dynamodb:BatchWriteItem", "table/Analytics"): STORM,
        ("dynamodb:PutItem", "table/Analytics"): STORM,
        ("dynamodb:Query", "table/Events/index/correlationId-timestamp-index"): OTHER_KEY,
        ("dynamodb:Query", "table/Events/index/userId-timestamp-index"): OTHER_KEY,
    },
}


class Context:
    """Of an invocation that has its time before it."""

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@pytest.fixture(scope="module")
def recorded(bundle: Path) -> Iterator[dict[str, set[Call]]]:
    recorder = Recorder()
    with platform(bundle) as running, recorder.installed():
        running.around = lambda stem: recorder.of(stem) if stem in FUNCTIONS else nullcontext()
        _tell(running)
        _sweep(running)
        assert running.invoke("watch_anomalies", {}, Context())["failed"] == []
        items = running.get("/v1/alerts")["body"]["items"]
        assert {one["kind"] for one in items} == {"pattern"}
        assert len(items) == 3
        # One that names a user, whom an answer calls by the id.
        world, number = Alerting(running.dynamodb), number_of(running, "usr_4711")
        world.now = clock.now()
        world.alerts.raise_all([replace(ALERT, at=world.now, subject=f"user:{number}")])
        world.track()
        items = [
            one for one in running.get("/v1/alerts")["body"]["items"] if one["subject"] == "user:usr_4711"
        ]
        until = clock.utc_text(clock.now() + timedelta(hours=1))
        for call, body in (("acknowledge", {}), ("mute", {"until": until, "reason": "x"})):
            path, alert = f"/v1/alerts/{{id}}/{call}", items[0]["alertId"]
            assert running.call(path, body, function="change_alerts", id=alert)["status"] == 200
        received = clock.now() - timedelta(days=26)
        waits = SubjectRequest(
            request_id=new_id(received),
            kind="erase",
            state=OPEN,
            subject="7",
            place="p",
            by="officer",
            reason="asked",
            received_at=clock.utc_text(received),
            due_at=due(received),
        )
        Requests(Table(running.dynamodb, "Metadata")).open(ACME, waits)
        for anchored in (True, False):
            kept = running.invoke("keep_audit", {}, Context())
            assert (kept["anchor"] is not None, kept["requestsDue"]) == (anchored, 1)
        _ask(running)
        for _ in range(2):
            audit.write(Table(running.dynamodb, "Metadata"), ACME, "access.denied", "shop", {"denials": 20})
            _call_with_a_scanner(running)
            # More than this one where the approval was given at night.
            watched = running.invoke("watch_audit", {}, Context())
            assert watched["alerts"] >= 1
            assert watched["accessLog"]["alerts"] == 1
        yield recorder.calls


def _call_with_a_scanner(running: Platform) -> None:
    """A line of the access log, as the lake has it."""
    line = {"requestId": uuid4().hex, "status": "404", "route": "-", "org": "-", "agent": "sqlmap/1.7"}
    key = f"{access_logs.hour_prefix(clock.now())}{uuid4().hex}{access_logs.SUFFIX}"
    Objects(running.s3, LAKE).put(key, gzip.compress(orjson.dumps(line)))


def _ask(running: Platform) -> None:
    """A request for access, approved."""
    ana, lead = Person("u_ana", ("analyst",)), Person("u_lead", ("team-lead",))
    until = clock.utc_text(clock.now() + timedelta(days=1))
    body = {"dataset": "raw.events", "purpose": "research", "reason": "x", "until": until}
    ana.join(running)
    _, grant = ana.call(running, "decide_grants", "POST /v1/grants", body)
    assert lead.call(running, "decide_grants", "GET /v1/grants")[1]["items"] == [grant]
    approve = "POST /v1/grants/{id}/approve"
    assert lead.call(running, "decide_grants", approve, id=grant["id"])[0] == 200


def _tell(running: Platform) -> None:
    """A review that is flagged thrice, and the end of an order."""
    flagged = [
        _event(
            "report.flagged",
            {
                "reportId": f"r{n}",
                "reporterId": f"u{n}",
                "targetType": "review",
                "targetId": "x",
                "reason": "spam",
            },
        )
        for n in range(3)
    ]
    ended = {
        "orderId": "ord_9",
        "userId": "u",
        "totalAmount": 1,
        "currency": "EUR",
        "completedAt": events.moment(),
    }
    assert running.post([*flagged, events.order(), _event("order.completed", ended)])["status"] == 202
    running.settle()


def _sweep(running: Platform) -> None:
    """An order that was not completed, a session that was left, and an order that was completed in time."""
    ago = timedelta(minutes=40)
    then = {"timestamp": events.moment(ago)}
    left = {
        "checkoutId": "c",
        "cartId": "c",
        "items": [{"productId": "p", "quantity": 1, "price": 1}],
        "totalAmount": 1,
        "currency": "EUR",
    }
    order = events.order(payload={"orderId": "ord_1"}, **then)
    started = _event("checkout.started", left) | then | {"sessionId": "left"}
    assert running.post([order, started])["status"] == 202
    running.settle()
    analytics = Table(running.dynamodb, "Analytics")
    for event, name, key in (
        (order, "order_without_completion", "ord_1"),
        (started, "checkout_left", "left"),
    ):
        (pattern,) = (one for one in definition.load() if one.name == name)
        micros = clock.epoch_micros(clock.parse(event["timestamp"]))
        due = clock.now() - timedelta(minutes=1)
        Timers(analytics).set([Timer(ACME, pattern.ref, key, event["eventId"], micros, due)])
    swept = running.invoke("sweep_timers", {}, Context())
    assert (swept["fired"], swept["failed"]) == (2, 0)
    running.settle()


def _event(event_type: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "eventId": events.new_id(),
        "eventType": event_type,
        "timestamp": events.moment(),
        "data": {"payload": payload},
    }


@pytest.mark.parametrize("environment", ["dev", "prod"])
@pytest.mark.parametrize("stem", FUNCTIONS)
def test_a_role_allows_what_its_function_asks(
    recorded: dict[str, set[Call]], stem: str, environment: str
) -> None:
    rights = Rights(templates(environment), stem)
    assert [one for one in sorted(recorded[stem]) if not rights.allow(one)] == []


@pytest.mark.parametrize("stem", FUNCTIONS)
def test_a_role_allows_nothing_without_a_reason(recorded: dict[str, set[Call]], stem: str) -> None:
    unused = Rights(templates("prod"), stem).unused(recorded[stem])
    assert {one for one in unused if one[0] not in BY_LAMBDA} == set(UNUSED.get(stem, {}))
