"""Access by request over HTTP: the right people approve, never their own, and what was given ends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import orjson
import pytest

from millrace.access import grants, users
from millrace.access.credentials import create_api_key
from millrace.access.grant_store import MOST_WAITING, GrantStore, changes
from millrace.core import clock
from millrace.core.audit import write
from millrace.core.table import Table
from tests.support.callers import Person
from tests.support.platform import GLOBEX, Platform

ANA, BEN = Person("u_ana", ("analyst",)), Person("u_ben", ("data-engineer",))
LEAD, DATA_LEAD = Person("u_lead", ("team-lead",)), Person("u_data", ("data-lead",))
SECURITY, OFFICER = Person("u_sec", ("security",)), Person("u_priv", ("privacy-officer",))
BOTH = Person("u_both", ("data-lead", "security"))
ADMIN, AUDITOR = Person("u_admin", ("tenant-admin",)), Person("u_audit", ("auditor",))
SERVICE = Person("3f9a", (), scopes=("grants:request", "grants:read", "query:run"), kind="key")
SILVER = "silver.transaction_created_v1"
LIST, ASK = "GET /v1/grants", "POST /v1/grants"


@pytest.fixture(autouse=True)
def running(warm: Platform) -> Iterator[Platform]:
    yield warm
    warm.empty()


def asked(**given: Any) -> dict[str, Any]:
    return {
        "purpose": "fraud-investigation",
        "reason": "case 4711",
        "until": clock.utc_text(clock.now() + timedelta(days=30)),
        **({"dataset": SILVER} if "personal" not in given else {}),
        **given,
    }


def ask(running: Platform, who: Person, **given: Any) -> dict[str, Any]:
    if who.kind == "user":
        who.join(running)
    status, body = who.call(running, "decide_grants", ASK, asked(**given))
    assert status == 200, body
    document: dict[str, Any] = body
    return document


def decide(running: Platform, who: Person, what: str, grant: str, body: object = None) -> tuple[int, Any]:
    return who.call(running, "decide_grants", f"POST /v1/grants/{{id}}/{what}", body, id=grant)


def listed(running: Platform, who: Person, **query: str) -> list[dict[str, Any]]:
    status, body = who.call(running, "decide_grants", LIST, query=query)
    assert status == 200, body
    items: list[dict[str, Any]] = body["items"]
    return items


def audit(running: Platform) -> list[tuple[str, str, dict[str, Any]]]:
    rows = [
        row for row in running.rows("Metadata") if "#audit#" in row["entityTypeKey"]["S"] and "action" in row
    ]
    rows.sort(key=lambda row: row["entityId"]["S"])
    return [(row["action"]["S"], row["principal"]["S"], orjson.loads(row["detail"]["S"])) for row in rows]


def outcomes(running: Platform) -> list[str]:
    """What the audit says of decisions, in the order of its lines."""
    return [
        "denied" if action == "access.denied" else detail["state"]
        for action, _, detail in audit(running)
        if action != "grants.request" and "grant" in detail
    ]


@contextmanager
def overtaken(by: Callable[[], tuple[int, Any]]) -> Iterator[None]:
    """The first call that has read and will write: somebody else does before."""
    began = list[bool]()

    def late(*given: Any) -> Any:
        if not began:
            began.append(True)
            status, body = by()
            assert status == 200, body
        return changes(*given)

    with patch("millrace.api.grants.changes", late):
        yield
    assert began


def test_an_analyst_asks_and_the_team_lead_approves(running: Platform) -> None:
    grant = ask(running, ANA)
    assert (grant["state"], grant["needs"], grant["approvals"]) == ("requested", ["team-lead"], [])
    assert ANA.granted(running) == (), "what is only asked for gives nothing"
    status, body = decide(running, LEAD, "approve", grant["id"])
    assert (status, body["state"]) == (200, "approved")
    assert [(one["role"], one["by"]) for one in body["approvals"]] == [("team-lead", "name of u_lead")]
    assert ANA.granted(running) == (f"dataset:{SILVER}",)
    assert f"dataset:{SILVER}" in ANA.caller(ANA.granted(running)).scopes
    assert Person("u_ana", ("analyst",), GLOBEX).granted(running) == (), (
        "the same id of another tenant is another"
    )
    told = {(action, who) for action, who, _ in audit(running)}
    assert told == {("grants.request", "name of u_ana"), ("grants.approve", "name of u_lead")}


def test_a_call_that_is_made_again_asks_once(running: Platform) -> None:
    until = clock.utc_text(clock.now() + timedelta(days=3))
    first = ask(running, ANA, until=until)
    assert ask(running, ANA, until=until) == first
    assert len(listed(running, ANA)) == 1
    decide(running, LEAD, "refuse", first["id"])
    assert ask(running, ANA, until=until)["id"] != first["id"], "what was refused may be asked for anew"


def test_nobody_else_approves(running: Platform) -> None:
    grant = ask(running, ANA)
    assert decide(running, ANA, "approve", grant["id"])[0] == 403
    assert decide(running, ADMIN, "approve", grant["id"])[0] == 403
    for other in (DATA_LEAD, SECURITY, OFFICER):
        status, body = decide(running, other, "approve", grant["id"])
        assert (status, body["detail"]) == (403, "it needs the approval of team-lead")
    assert decide(running, Person("u_x", ("team-lead",), GLOBEX), "approve", grant["id"])[0] == 404
    assert {action for action, _, detail in audit(running) if "denied" in detail} == {"access.denied"}
    assert ANA.granted(running) == ()


def test_never_ones_own(running: Platform) -> None:
    both = Person("u_ana", ("analyst", "team-lead"))
    grant = ask(running, both)
    assert grant["needs"] == ["team-lead", "data-lead"]
    status, body = decide(running, both, "approve", grant["id"])
    assert (status, body["detail"]) == (403, "nobody approves what they asked for themselves")


def test_personal_data_wants_the_privacy_officer_besides(running: Platform) -> None:
    grant = ask(running, BEN, personal=True)
    assert grant["needs"] == ["data-lead", "privacy-officer"]
    assert decide(running, OFFICER, "approve", grant["id"])[1]["state"] == "requested"
    assert BEN.granted(running) == ()
    status, body = decide(running, OFFICER, "approve", grant["id"])
    assert (status, body["detail"]) == (
        403,
        "you have approved it already; the other approval is somebody else's",
    )
    assert decide(running, DATA_LEAD, "approve", grant["id"])[1]["state"] == "approved"
    assert BEN.granted(running) == ("personal:read",)
    assert "personal:read" in BEN.caller(BEN.granted(running)).scopes


def test_a_purpose_that_does_not_allow_personal_data_is_not_approved(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a request was let through for: the policy decides."""
    monkeypatch.setattr(grants, "PERSONAL_PURPOSES", grants.PURPOSES)
    grant = ask(running, BEN, personal=True, purpose="marketing")
    status, body = decide(running, DATA_LEAD, "approve", grant["id"])
    assert (status, body["detail"]) == (403, "personal data is not given for the purpose marketing")
    assert decide(running, DATA_LEAD, "refuse", grant["id"])[0] == 200


def test_a_service_account_wants_two_people(running: Platform) -> None:
    grant = ask(running, SERVICE)
    assert grant["needs"] == ["data-lead", "security"]
    status, body = decide(running, BOTH, "approve", grant["id"])
    assert (status, body["state"], len(body["approvals"])) == (200, "requested", 1), (
        "one person is one approval"
    )
    assert decide(running, BOTH, "approve", grant["id"])[0] == 403
    assert decide(running, SECURITY, "approve", grant["id"])[1]["state"] == "approved"
    assert SERVICE.granted(running) == (f"dataset:{SILVER}",)
    key = Person("77aa", ("data-lead",), scopes=("grants:approve", "grants:request"), kind="key")
    other = ask(running, SERVICE, dataset="marts.fct_transactions")
    assert decide(running, key, "approve", other["id"])[0] == 403, "a key approves nothing"


def test_it_ends_by_itself(running: Platform) -> None:
    grant = ask(running, ANA, until=clock.utc_text(clock.now() + timedelta(days=2)))
    late = ask(running, ANA, dataset="raw.events", until=clock.utc_text(clock.now() + timedelta(days=2)))
    decide(running, LEAD, "approve", grant["id"])
    assert ANA.granted(running)
    with patch.object(clock, "now", lambda: datetime.now(clock.EPOCH.tzinfo) + timedelta(days=2, seconds=1)):
        assert ANA.granted(running) == ()
        assert {one["state"] for one in listed(running, ANA)} == {"expired"}
        status, body = decide(running, LEAD, "approve", late["id"])
        assert (status, body["detail"]) == (409, "it is expired")
        assert decide(running, LEAD, "revoke", grant["id"])[0] == 409


def test_what_is_revoked_or_refused_gives_nothing_for_good(running: Platform) -> None:
    first, second = ask(running, ANA), ask(running, ANA, dataset="raw.events")
    decide(running, LEAD, "approve", first["id"])
    status, body = decide(running, ADMIN, "revoke", first["id"], {"reason": "left the team"})
    assert (status, body["state"], body["closedBy"]) == (200, "revoked", "name of u_admin")
    assert body["closedReason"] == "left the team"
    assert ANA.granted(running) == ()
    assert decide(running, LEAD, "refuse", second["id"])[1]["state"] == "refused"
    for grant in (first, second):
        assert decide(running, LEAD, "approve", grant["id"])[0] == 409
    third = ask(running, ANA)
    assert decide(running, ANA, "revoke", third["id"])[1]["state"] == "revoked", "whoever asked takes it back"


def test_an_approver_whose_role_was_taken_approves_no_more(running: Platform) -> None:
    first, second = ask(running, ANA), ask(running, ANA, dataset="raw.events")
    assert decide(running, LEAD, "approve", first["id"])[0] == 200
    assert decide(running, Person(LEAD.id, ("analyst",)), "approve", second["id"])[0] == 403
    assert ANA.granted(running) == (f"dataset:{SILVER}",), "what they approved while they could stands"


@pytest.mark.parametrize(("others", "left"), [((OFFICER, OFFICER), 1), ((DATA_LEAD, OFFICER), 2)])
def test_two_at_once_are_one_after_the_other(
    running: Platform, others: tuple[Person, Person], left: int
) -> None:
    """Somebody else writes between reading and writing: what is written is decided on what is there then."""
    grant = ask(running, BEN, personal=True)
    first, second = others
    with overtaken(lambda: decide(running, first, "approve", grant["id"])):
        status, _ = decide(running, second, "approve", grant["id"])
    assert status == (200 if left == 2 else 403)
    assert outcomes(running) == (["requested", "approved"] if left == 2 else ["requested", "denied"])
    (found,) = listed(running, BEN)
    assert len(found["approvals"]) == left
    assert found["state"] == ("approved" if left == 2 else "requested")


@pytest.mark.parametrize("what", ["approve", "refuse", "revoke"])
def test_who_comes_too_late_leaves_no_line(running: Platform, what: str) -> None:
    grant = ask(running, ANA)
    with overtaken(lambda: decide(running, Person("u_lead2", LEAD.roles), what, grant["id"])):
        status, body = decide(running, LEAD, what, grant["id"])
    state = {"approve": "approved", "refuse": "refused", "revoke": "revoked"}[what]
    if what == "revoke":
        status, body = decide(running, LEAD, what, grant["id"])
    assert (status, body["detail"]) == (409, f"it is {state}")
    assert outcomes(running) == [state]
    assert decide(running, LEAD, what, grant["id"])[0] == 409
    assert outcomes(running) == [state]


def test_a_request_whose_holder_has_asked_meanwhile_is_one_line(running: Platform) -> None:
    with overtaken(lambda: ANA.call(running, "decide_grants", ASK, asked(dataset="raw.events"))):
        ask(running, ANA)
    assert [action for action, _, _ in audit(running)] == ["grants.request"] * 2


def test_what_was_asked_by_who_is_another_now_is_not_approved(running: Platform) -> None:
    """The authorizer's answer holds a minute: who was removed or changed may still ask with it."""
    metadata = Table(running.dynamodb, "Metadata")
    grant = ask(running, ANA)
    member = users.get(metadata, "org_acme", ANA.id)
    assert member is not None
    for writes, sentence in (
        (users.changing(member, status="disabled"), "its holder is no active user of the tenant"),
        (
            users.changing(member, status="active", roles=["analyst", "data-engineer"]),
            "the roles of its holder have changed: they ask anew",
        ),
    ):
        assert metadata.transact(writes)
        status, body = decide(running, LEAD, "approve", grant["id"])
        assert (status, body["detail"]) == (409, sentence)
    member = users.get(metadata, "org_acme", ANA.id)
    assert member is not None
    assert metadata.transact(users.removing(member))
    assert decide(running, LEAD, "approve", grant["id"])[0] == 409
    ANA.join(running)
    assert outcomes(running) == []
    assert decide(running, LEAD, "approve", grant["id"])[0] == 200


def test_a_crash_between_the_two_rows_leaves_neither(running: Platform) -> None:
    grant = ask(running, ANA)
    store = GrantStore(Table(running.dynamodb, "Metadata"))
    now, before = clock.now(), store.get("org_acme", grant["id"])
    assert before is not None
    stale = store.standing("org_acme", ANA.id)
    ask(running, ANA, dataset="raw.events")
    lines = audit(running)
    after = changes([before.approved("team-lead", "u", "n", now)], stale, now)
    assert not write(Table(running.dynamodb, "Metadata"), "org_acme", "grants.approve", "n", {}, also=after)
    assert audit(running) == lines, "nothing is told of what is not"
    assert store.get("org_acme", grant["id"]) == before
    assert ANA.granted(running) == ()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"dataset": SILVER, "personal": True}, "either a dataset or personal"),
        ({"dataset": None}, "dataset"),
        ({"dataset": "silver.nothing_v1"}, "there is no dataset silver.nothing_v1"),
        ({"dataset": "marts.fct_transactions"}, "you may read marts.fct_transactions already"),
        ({"dataset": "marts.*"}, "you may read marts.* already"),
        ({"dataset": "*"}, "dataset"),
        ({"personal": True}, "you lack the right events:read"),
        ({"personal": True, "purpose": "research"}, "and not for research"),
        ({"purpose": "curiosity"}, "purpose"),
        ({"reason": ""}, "reason"),
        ({"until": "2020-01-01T00:00:00Z"}, "within 90 days"),
        ({"until": "2999-01-01T00:00:00Z"}, "within 90 days"),
        ({"until": "tomorrow"}, "until"),
        ({"who": "u_1"}, "who"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    running: Platform, given: dict[str, Any], sentence: str
) -> None:
    body = {name: value for name, value in asked(**given).items() if value is not None or name == "dataset"}
    status, answer = ANA.call(running, "decide_grants", ASK, body)
    assert status == 400, answer
    assert sentence in answer["detail"]


def test_those_who_may_not_are_told_so(running: Platform) -> None:
    assert AUDITOR.call(running, "decide_grants", ASK, asked())[0] == 403
    assert AUDITOR.call(running, "decide_grants", LIST)[0] == 403
    assert decide(running, LEAD, "approve", "20261130T000000000-0000000000")[0] == 404
    assert decide(running, LEAD, "approve", "x#y")[0] == 404


def test_people_see_their_own_and_approvers_all_of_the_tenant(running: Platform) -> None:
    mine, theirs = ask(running, ANA), ask(running, BEN, personal=True)
    foreign = ask(running, Person("u_g", ("analyst",), GLOBEX))
    assert [one["id"] for one in listed(running, ANA)] == [mine["id"]]
    assert [one["id"] for one in listed(running, LEAD)] == [theirs["id"], mine["id"]]
    assert [one["id"] for one in listed(running, ADMIN, state="requested")] == [theirs["id"], mine["id"]]
    assert listed(running, LEAD, mine="true") == []
    assert [one["id"] for one in listed(running, Person("u_h", ("team-lead",), GLOBEX))] == [foreign["id"]]
    assert decide(running, Person("u_eve", ("analyst",)), "revoke", mine["id"])[0] == 404
    assert decide(running, Person("u_h", ("team-lead",), GLOBEX), "revoke", mine["id"])[0] == 404


def test_pages_hold_each_request_once(running: Platform) -> None:
    made = [ask(running, ANA, dataset=f"staging.s{number}")["id"] for number in range(5)]
    seen: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        _, body = LEAD.call(running, "decide_grants", LIST, query=query)
        seen += [one["id"] for one in body["items"]]
        if body["cursor"] is None:
            break
        query["cursor"] = body["cursor"]
    assert seen == made[::-1]


def test_what_waits_and_what_is_held_is_bounded(running: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace.api.grants.MOST_HELD", 1)
    made = [ask(running, ANA, dataset=f"staging.s{number}")["id"] for number in range(MOST_WAITING)]
    assert ANA.call(running, "decide_grants", ASK, asked())[0] == 409
    assert decide(running, LEAD, "approve", made[0])[0] == 200
    status, body = decide(running, LEAD, "approve", made[1])
    assert (status, body["detail"]) == (409, "its holder has 1 grants already: revoke one of them")
    assert ask(running, ANA)["state"] == "requested", "one that is decided waits no more"


def test_the_authorizer_reads_what_was_granted(running: Platform) -> None:
    metadata = Table(running.dynamodb, "Metadata")
    key = create_api_key(metadata, org="org_acme", name="shop", scopes=["grants:request", "query:run"])
    header = {"headers": {"authorization": f"Bearer {key}"}}
    verdict = running.invoke("authorize", header)["context"]
    assert verdict["scopes"] == "grants:request query:run"
    service = Person(verdict["id"], scopes=("grants:request",), kind="key")
    grant = ask(running, service, dataset="gold.*")
    decide(running, DATA_LEAD, "approve", grant["id"])
    decide(running, SECURITY, "approve", grant["id"])
    assert (
        running.invoke("authorize", header)["context"]["scopes"] == "dataset:gold.* grants:request query:run"
    )
