"""A major that ends, over a deploy: intake, quarantine, and notices to each tenant that has rows of it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.catalog.checks import CheckEvents
from millrace.catalog.openlineage import Namespace
from millrace.catalog.publish import Publisher
from millrace.catalog.retirement_notices import EVENT_TYPE, RetirementNotices
from millrace.catalog.store import CatalogStore
from millrace.contracts import registry
from millrace.contracts.retirement import STAGES
from millrace.core import clock
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.emit import Emitter
from millrace.runs.store import RunStore
from millrace.warehouse import project
from tests.support import events
from tests.support.majors import NEW, OLD, RECORD, bundle_with_end, end
from tests.support.platform import ACME, GLOBEX, LAKE, Platform
from tests.support.publishing import DAY, ORDERS, TRANSACTIONS, Publish, two_tenants
from tests.support.runs import Run, part, yesterday

TODAY = clock.now().date()
REPLAY = "/v1/quarantine/replay"
Deploy = Callable[..., None]


@pytest.fixture
def deploy(running: Platform, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deploy:
    """Deploys two majors of `order.created`, of which the first ends so many days from today."""

    def deployed(*, announced: int, ends: int) -> None:
        days = end(TODAY + timedelta(days=announced), TODAY + timedelta(days=ends))
        made = bundle_with_end(tmp_path / f"{announced}-{ends}", days, bundle)
        monkeypatch.setenv("MILLRACE_BUNDLE", str(made))
        running.restart_all()

    return deployed


def statuses(running: Platform, *sent: dict[str, Any], org: str = ACME) -> list[str]:
    results = running.post(list(sent), org=org)["body"]["results"]
    return [result["status"] for result in results]


def notices(running: Platform, org: str) -> list[dict[str, Any]]:
    """The payloads, in order of their stages."""
    answer = running.get("/v1/events", org=org, query={"eventType": EVENT_TYPE})
    assert answer["status"] == 200
    payloads = [one["data"]["payload"] for one in answer["body"]["items"]]
    return sorted(payloads, key=lambda one: (one["ends"], STAGES.index(one["stage"])))


def test_both_are_accepted_before_the_end_and_the_older_is_refused_after_it(
    running: Platform, deploy: Deploy
) -> None:
    deploy(announced=-10, ends=20)
    old, broken = events.order(version="1"), events.order(version="1.2.0", payload={"totalAmount": -1})
    assert statuses(running, old, events.order(version="2"), events.order()) == ["accepted"] * 3
    assert statuses(running, broken) == ["rejected"]

    deploy(announced=-30, ends=-1)
    assert statuses(running, events.order(version="1"), events.order(version="2")) == ["rejected", "accepted"]
    # What was accepted is read as ever, and a retry of it is refused by its version, not taken a second time.
    assert running.get("/v1/events/{eventId}", eventId=old["eventId"])["status"] == 200
    assert statuses(running, old) == ["rejected"]
    listed = running.get("/v1/quarantine", query={"code": "unknown_version"})["body"]["items"]
    assert {item["version"] for item in listed} == {"1"}


def test_a_replay_after_the_end_is_taken_as_the_newer_version_only(running: Platform, deploy: Deploy) -> None:
    deploy(announced=-10, ends=20)
    event = events.order(version="1", payload={"totalAmount": -1})
    assert statuses(running, event) == ["rejected"]
    fixed = [{"op": "replace", "path": "/data/payload/totalAmount", "value": 45.48}]
    body = {"filter": {"eventType": "order.created"}, "patch": fixed}

    deploy(announced=-30, ends=-1)
    tried = running.call(REPLAY, body)["body"]
    assert (tried["replayed"], tried["stillFailing"]) == (0, 1)
    assert running.rows("Events") == []
    newer = [*fixed, {"op": "replace", "path": "/version", "value": "2"}]
    done = running.call(REPLAY, {**body, "patch": newer})["body"]
    assert (done["replayed"], done["stillFailing"]) == (1, 0)
    assert running.stored(ACME, event["eventId"])


def test_each_tenant_with_rows_is_told_once_by_the_deployed_function(
    running: Platform, runs: RunStore, publish: Publish, deploy: Deploy
) -> None:
    deploy(announced=-1, ends=40)
    two_tenants(running).write(runs)
    publish("hourly-1")
    for number in (2, 3):
        Run(run=f"hourly-{number}", planned_at=yesterday(10 + number)).write(runs)
        publish(f"hourly-{number}")
    wanted = {
        "retired": OLD,
        "replacedBy": NEW,
        "stage": "announced",
        "announced": str(TODAY - timedelta(days=1)),
        "ends": str(TODAY + timedelta(days=40)),
        "decision": RECORD,
    }
    assert notices(running, ACME) == notices(running, GLOBEX) == [wanted]
    # A notice is an event as any other: it goes to the bus.
    running.settle()
    assert [one["detail-type"] for one in running.messages()].count(EVENT_TYPE) == 2


def test_three_notices_over_many_runs_and_none_is_lost_by_those_that_are_missing(
    running: Platform, runs: RunStore, publish: Publish, deploy: Deploy
) -> None:
    deploy(announced=-28, ends=2)
    two_tenants(running).write(runs)
    start = clock.parse(f"{TODAY - timedelta(days=28)}T00:00:00Z")
    moment = [start]

    def ran(days: float) -> list[list[str]]:
        moment[0] = start + timedelta(days=days)
        injected(running, lambda: moment[0]).publish("hourly-1")
        return [[one["stage"] for one in notices(running, org)] for org in (ACME, GLOBEX)]

    announced, halfway, last = ["announced"], ["announced", "halfway"], [*STAGES]
    assert ran(-0.01) == [[], []]
    assert ran(0) == ran(0.5) == ran(14.9) == [announced] * 2
    # No run for ten days, in which halfway was.
    assert ran(25) == ran(28.99) == [halfway] * 2
    assert ran(29) == ran(29.99) == [last] * 2
    # A run that comes late, or goes back in time as a retry may, tells nothing a second time.
    assert ran(30) == ran(400) == ran(3) == [last] * 2
    # A postponed end is told anew, by the stage that is due then.
    deploy(announced=-28, ends=60)
    assert ran(30) == [[*last, "announced"]] * 2


def test_a_stage_that_is_past_by_a_later_one_is_left_out_and_who_has_no_rows_is_told_nothing(
    running: Platform, runs: RunStore, publish: Publish, deploy: Deploy
) -> None:
    deploy(announced=-28, ends=2)
    run = Run()
    for org, table in ((ACME, ORDERS), (GLOBEX, TRANSACTIONS)):
        run.day(org, DAY)
        run.silver.append(part(table, org, DAY))
        run.commit(table, run.silver[-1])
    run.write(runs)
    moment = clock.parse(f"{TODAY + timedelta(days=1)}T12:00:00Z")
    injected(running, lambda: moment).publish("hourly-1")
    assert [one["stage"] for one in notices(running, ACME)] == ["day_before"]
    assert notices(running, GLOBEX) == []


def injected(running: Platform, now: Callable[[], datetime]) -> Publisher:
    """The last step of a run by another clock."""
    contracts, metadata = registry.load(), Table(running.dynamodb, "Metadata")
    appender = Appender({"table": TableAppender(Table(running.dynamodb, "Events"))})
    emitter = Emitter(contracts, appender)
    return Publisher(
        Objects(running.s3, LAKE),
        metadata,
        Namespace("local", LAKE),
        CheckEvents(contracts, emitter, print),
        RetirementNotices(contracts, CatalogStore(metadata), emitter),
        contracts,
        project.load(),
        now,
    )
