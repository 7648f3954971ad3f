"""Sigma rules over the audit: what matches raises one alert of its rule and caller in an hour, whatever fails on the way."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.alerts.alert import Alert
from millrace.audit.store import Chains
from millrace.contracts.fields import fields
from millrace.core import audit
from millrace.core import bundle as core_bundle
from millrace.core.errors import RetryableError
from millrace.core.table import Table
from millrace.eventstore.row import from_item
from millrace.sigma import audit_lines, line_rules, watch_audit
from millrace.sigma.line_source import rounds
from millrace.sigma.watch_audit import AuditWatch, Looked
from tests.support.alerting import ALERT, NOON, ORG, Alerting
from tests.support.shaky import Shaky, each_call

NIGHT = timedelta(hours=11)
DENIED = ("access.denied", "shop", {"denials": 20})
KEY = ("keys.create", "ann", {"name": "loader", "scopes": ["query"]})
USE = ("query.run", "loader", {"queryId": "q"})
EXPORT = ("subjects.export", "ann", {"step": "export"})


@pytest.fixture
def world(bundle: Path) -> Alerting:
    assert bundle.is_dir()
    return Alerting()


def write(
    world: Alerting,
    line: tuple[str, str, dict[str, Any]],
    after: timedelta = timedelta(),
    org: str = ORG,
) -> None:
    action, principal, detail = line
    audit.write(Table(world.dynamodb, "Metadata"), org, action, principal, detail, at=NOON + after)


def look(
    world: Alerting,
    after: timedelta = timedelta(),
    left: Callable[[], float] = lambda: 60.0,
    raise_all: Any = None,
) -> Looked:
    world.now = NOON + after
    chains = Chains(Table(world.dynamodb, "Metadata"))
    return AuditWatch(
        chains, line_rules.load(audit_lines.AUDIT), raise_all or world.alerts.raise_all, str
    ).run(world.now, left)


def raised(world: Alerting) -> list[tuple[str, str]]:
    return sorted((one["ruleId"], one["subject"]) for one in world.events("alert.raised"))


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


# What each rule that is shipped finds, and what is next to it: lines with their moments, and the alerts.
SHIPPED: dict[str, tuple[list[tuple[timedelta, Any]], list[tuple[str, str]]]] = {
    "twenty denials": ([(minutes(0), DENIED)], [("audit_denials_of_one_caller", "principal:shop")]),
    "a few denials": ([(minutes(0), ("access.denied", "shop", {"denials": 10}))], []),
    "a page of personal data": (
        [(minutes(0), ("personal.read", "ann", {"events": 100}))],
        [("audit_personal_data_in_bulk", "principal:ann")],
    ),
    "tokens": (
        [(minutes(0), ("personal.detokenise", "ann", {"found": 100, "tokens": [{}] * 100}))],
        [("audit_personal_data_in_bulk", "principal:ann")],
    ),
    "one person's data": ([(minutes(0), ("personal.read", "ann", {"events": 99}))], []),
    "a role at night": (
        [(NIGHT, ("users.change", "ann", {"id": "u", "roles": ["analyst"]}))],
        [("audit_role_given_at_night", "principal:ann")],
    ),
    "an approval at night": (
        [(NIGHT, ("grants.approve", "ann", {}))],
        [("audit_role_given_at_night", "principal:ann")],
    ),
    "a role by day": ([(minutes(0), ("users.change", "ann", {"id": "u", "roles": ["analyst"]}))], []),
    "a name at night": ([(NIGHT, ("users.change", "ann", {"id": "u", "status": "active"}))], []),
    "a key that is used at once": (
        [(minutes(0), KEY), (minutes(10), USE)],
        [("audit_new_key_used_at_once", "credential:loader")],
    ),
    "a key that is used by and by": ([(minutes(0), KEY), (minutes(11), USE)], []),
    "a key that another uses": ([(minutes(0), KEY), (minutes(1), ("query.run", "ann", {}))], []),
    "a use before the key": ([(minutes(0), USE), (minutes(1), KEY)], []),
    "both in one moment": (
        [(minutes(0), KEY), (minutes(0), USE)],
        [("audit_new_key_used_at_once", "credential:loader")],
    ),
    "ten exports": (
        [(minutes(6 * number), EXPORT) for number in range(10)],
        [("audit_many_people_exported", "principal:ann")],
    ),
    "nine exports": ([(minutes(number), EXPORT) for number in range(9)], []),
    "exports of days": ([(minutes(7 * number), EXPORT) for number in range(10)], []),
}


@pytest.mark.parametrize("what", SHIPPED)
def test_what_the_rules_that_are_shipped_find(world: Alerting, what: str) -> None:
    """The same with a look behind each line, and with one behind all of them."""
    lines, wanted = SHIPPED[what]
    whole = Alerting()
    for after, line in lines:
        write(world, line, after)
        write(whole, line, after)
        look(world, after)
    assert raised(world) == wanted
    if lines[-1][0] - lines[0][0] < watch_audit.FIRST_LOOK:
        look(whole, lines[-1][0])
        assert raised(whole) == wanted


def test_every_shipped_rule_has_lines_that_it_finds(bundle: Path) -> None:
    document = core_bundle.document(bundle, core_bundle.SIGMA)
    named = {one["name"] for one in (*document["auditRules"], *document["auditPatterns"])}
    assert named == {rule for _, alerts in SHIPPED.values() for rule, _ in alerts}


def test_an_alert_says_which_line_and_is_its_tenant_s(world: Alerting) -> None:
    write(world, ("tenants.change", "ann", {}), org="org_globex")
    write(world, DENIED, org="org_globex")
    look(world)
    (event,) = (from_item(row, world.codec).envelope for row in world.items())
    assert event["platform"]["orgId"] == "org_globex"
    payload = event["data"]["payload"]
    assert (payload["kind"], payload["severity"], payload["owner"]) == ("sigma", "warning", "security")
    assert "Line 2 of the audit, access.denied by shop" in payload["message"]


def test_a_caller_has_one_alert_of_a_rule_in_an_hour(world: Alerting) -> None:
    for after in (0, 20, 59, 61, 200):
        write(world, DENIED, minutes(after))
        look(world, minutes(after))
    whole = Alerting()
    look(whole)
    write(whole, ("keys.revoke", "ann", {}))
    look(whole)
    for after in (0, 20, 59, 61, 200):
        write(whole, DENIED, minutes(after))
    look(whole, minutes(200))
    assert len(raised(world)) == len(raised(whole)) == 3


def test_whatever_call_fails_the_alerts_are_the_same(bundle: Path) -> None:
    assert bundle.is_dir()

    def told(tables: Shaky) -> object:
        world = Alerting(tables)
        for after in (0, 1, 30, 62):
            write(world, DENIED, minutes(after))
        write(world, KEY, minutes(62))
        write(world, USE, minutes(63))

        def at_once() -> None:
            if look(world, minutes(63)).failed:
                raise RetryableError("again")

        # A chain is begun an hour back, so the first line is too old, and the second is told.
        tables.retried(at_once, restart=lambda: None)
        return raised(world)

    each_call(told, least=12)


def test_the_past_is_not_told_when_a_chain_is_looked_at_for_the_first_time(world: Alerting) -> None:
    write(world, DENIED)
    look(world, minutes(61))
    assert raised(world) == []
    write(world, DENIED, minutes(61))
    # What was not looked at for days is told: nobody else tells of it.
    look(world, timedelta(days=3))
    assert raised(world) == [("audit_denials_of_one_caller", "principal:shop")]


def test_one_chain_that_fails_takes_nothing_from_the_others(world: Alerting) -> None:
    for org in ("org_a", "org_b", "org_c"):
        write(world, DENIED, org=org)

    def raise_all(alerts: Sequence[Alert]) -> None:
        if alerts[0].org == "org_b":
            raise RetryableError("the table does not answer")
        world.alerts.raise_all(alerts)

    looked = look(world, raise_all=raise_all)
    assert (looked.failed, looked.chains, len(raised(world))) == (["org_b"], 2, 2)
    assert look(world).failed == []
    assert len(raised(world)) == 3


def test_the_platform_s_own_chain_is_no_tenant_s(world: Alerting) -> None:
    write(world, DENIED, org="platform")
    assert look(world).chains == 0
    assert raised(world) == []


def test_a_long_chain_is_looked_at_in_parts_and_what_is_left_is_first_the_next_time(
    world: Alerting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_audit, "MOST_LINES", 3)
    for org in ("org_a", "org_b"):
        write(world, ("keys.revoke", "ann", {}), org=org)
    look(world)
    for org in ("org_a", "org_b"):
        for number in range(8):
            write(world, ("access.denied", f"c{number}", {"denials": 20}), minutes(number), org=org)
    budget = iter((1, 1, 0, 0))
    first = look(world, minutes(9), left=lambda: next(budget))
    # Two parts of one chain, and then the time is over.
    assert (first.lines, first.chains, first.left) == (6, 0, 1)
    second = look(world, minutes(10))
    assert (second.lines, second.chains, second.left) == (10, 2, 0)
    assert len(raised(world)) == 16


def test_of_two_looks_at_once_the_one_that_is_further_stands(world: Alerting) -> None:
    write(world, DENIED)
    look(world)
    metadata = Table(world.dynamodb, "Metadata")
    write(world, USE, minutes(1))

    def slower(_: Sequence[Alert]) -> None:
        write(world, USE, minutes(3))
        look(world, minutes(3))

    write(world, DENIED, minutes(2))
    look(world, minutes(2), raise_all=slower)
    (row,) = metadata.query("entityTypeKey = :key", {":key": {"S": "platform#audit-watched#0"}})
    assert row["number"] == {"N": "4"}


def test_turns_have_one_alert_of_a_subject_each_and_none_that_another_stands_for() -> None:
    def found(at: float, subject: str = "a", quiet: timedelta | None = timedelta(hours=1)) -> Alert:
        return replace(ALERT, at=NOON + minutes(at), subject=subject, quiet=quiet, about=(str(at),))

    turns = [*rounds([found(0), found(1, "b"), found(59), found(61), found(62, "b"), found(300)])]
    assert [[(one.subject, one.about[0]) for one in turn] for turn in turns] == [
        [("a", "0"), ("b", "1")],
        [("a", "61"), ("b", "62")],
        [("a", "300")],
    ]


def test_a_line_as_an_event_has_what_rules_ask_and_nothing_else_of_its_detail(world: Alerting) -> None:
    detail = {"roles": ["analyst", "auditor"], "tokens": [{}, {}], "reason": "free text", "denials": 7}
    write(world, ("users.change", "ann", detail))
    (line,) = Chains(Table(world.dynamodb, "Metadata")).lines(ORG)
    read = {
        name: one.read(audit_lines.event(line).envelope) for name, one in fields(audit_lines.CONTRACT).items()
    }
    assert {
        name: value for name, value in read.items() if name.startswith("detail_") and value is not None
    } == {
        "detail_roles": "analyst auditor",
        "detail_tokens": 2,
        "detail_denials": 7,
    }
    assert (read["action"], read["principal"], read["credential"], read["number"]) == (
        "users.change",
        "ann",
        "ann",
        1,
    )
