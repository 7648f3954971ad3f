"""What callers may follows from the policies, and every doubt is a refusal."""

import json
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from millrace.access import grants, policies, visibility
from millrace.access.actions import ACTIONS, ADMINISTRATION, ALL_DATASETS, DATA, LAYERS, PUBLIC
from millrace.access.cedar import Entity, Policies, Question
from millrace.access.credentials import ALL_SCOPES, Principal
from millrace.access.roles import ROLES
from millrace.access.visibility import EVENTS
from millrace.compiler import api_document
from millrace.core.http import Caller
from tests.support.contracts import SCHEMAS
from tests.support.policies import in_force

rights = partial(policies.rights, policies=in_force())
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def key(*scopes: str, org: str = "org_acme") -> Principal:
    return Principal(org, "a service", scopes, id="3f9a")


def user(*roles: str, org: str = "org_acme", who: str = "u_1") -> Principal:
    return Principal(org, "Ana", (), kind="user", id=who, roles=roles)


def layers(*names: str) -> set[str]:
    return {f"dataset:{name}.*" for name in names}


def test_a_key_has_what_it_names() -> None:
    assert rights(key("events:read", "dataset:marts.fct_transactions")) == {
        "events:read",
        "dataset:marts.fct_transactions",
    }
    assert rights(key()) == set()


def test_a_key_with_everything_has_every_right_and_layer() -> None:
    assert rights(key(*ALL_SCOPES)) == {*DATA, *ADMINISTRATION, *layers(*LAYERS)}
    assert rights(key(ALL_DATASETS)) == layers(*LAYERS)


def test_scopes_that_are_none_give_nothing() -> None:
    assert rights(key("events:*", "*", "dataset:", "dataset:nowhere.x", "Events:read", "analyst")) == set()


def test_a_public_key_sends_and_nothing_else_whatever_it_names() -> None:
    assert rights(key(PUBLIC, "events:read", ALL_DATASETS)) == {PUBLIC}


def test_roles_of_people_are_no_scopes_and_scopes_of_people_are_none() -> None:
    assert rights(user()) == set()
    assert rights(user("Analyst", "admin", "")) == set(), "a role that does not exist is none"
    with_scopes = Principal("org_acme", "Ana", ALL_SCOPES, kind="user", id="u_1")
    assert rights(with_scopes) == set(), "a token cannot bring rights along"


def test_roles_add_up() -> None:
    both = rights(user("analyst", "auditor"))
    assert both == rights(user("analyst")) | rights(user("auditor"))
    assert "audit:read" in both
    assert layers("marts") <= both


def test_no_role_has_personal_data_by_itself() -> None:
    assert not [role for role in ROLES if "personal:read" in rights(user(role))]
    assert [role for role in ROLES if "personal:detokenise" in rights(user(role))] == ["privacy-officer"]


def test_an_administrator_of_a_tenant_reads_no_data() -> None:
    held = rights(user("tenant-admin"))
    assert {"users:write", "keys:write", "grants:read"} <= held
    assert not {one for one in held if one.startswith(("dataset:", "own:", "events:", "query:", "tenants:"))}


def test_what_is_granted_is_added() -> None:
    granted = ("dataset:silver.transaction_created_v1", "personal:read")
    assert rights(user("analyst"), granted) == rights(user("analyst")) | set(granted)
    assert rights(user("analyst"), ("users:write", "dataset:nowhere")) == rights(user("analyst"))


def test_nobody_reaches_into_another_tenant() -> None:
    every = user(*ROLES)
    for right in ACTIONS:
        asked = Question(right, policies.tenant("org_globex"), {"right": right})
        assert not in_force().may(policies.entity(key(*ALL_SCOPES)), asked), right
        assert not in_force().may(policies.entity(every), asked), right
    asked = Question("dataset:read", policies.dataset("org_globex", "marts.fct_transactions"))
    assert not in_force().may(policies.entity(every), asked)


def test_an_unknown_action_is_denied() -> None:
    caller, here = policies.entity(key(*ALL_SCOPES, "events:drop")), policies.tenant("org_acme")
    assert not in_force().may(caller, Question("events:drop", here, {"right": "events:drop"}))
    answers = in_force().decide(
        caller,
        [Question("", here, {"right": ""}), Question("events:read", here, {"right": "events:read"})],
    )
    assert answers == [False, True], "and what is asked beside it is answered"


@pytest.mark.parametrize(
    "context",
    [{}, {"right": 1}, {"right": None}, {"right": "events:read", "more": "x"}, {"rights": "events:read"}],
)
def test_a_request_that_the_schema_does_not_know_is_denied(context: dict[str, Any]) -> None:
    caller, here = policies.entity(key("events:read")), policies.tenant("org_acme")
    assert in_force().may(caller, Question("events:read", here, {"right": "events:read"}))
    assert not in_force().may(caller, Question("events:read", here, context))


@pytest.mark.parametrize("absent", ["tenant", "scopes", "granted"])
def test_a_caller_without_an_attribute_is_denied(absent: str) -> None:
    whole = policies.entity(key("events:read"))
    attributes = {name: value for name, value in whole.attributes.items() if name != absent}
    asked = Question("events:read", policies.tenant("org_acme"), {"right": "events:read"})
    assert not in_force().may(Entity(whole.kind, whole.id, attributes, whole.parents), asked)


def test_a_resource_without_an_attribute_is_denied() -> None:
    whole = policies.dataset("org_acme", "marts.fct_transactions")
    caller = policies.entity(key(ALL_DATASETS))
    assert in_force().may(caller, Question("dataset:read", whole))
    for absent in whole.attributes:
        attributes = {name: value for name, value in whole.attributes.items() if name != absent}
        assert not in_force().may(
            caller, Question("dataset:read", Entity("Dataset", whole.id, attributes))
        ), absent


def test_a_forbid_that_errs_denies() -> None:
    """Cedar skips a policy that it cannot evaluate: without a second look a refusal would become a permission."""
    erring = Policies(
        "entity P { n: Long }; entity R; action a appliesTo { principal: P, resource: R };",
        {
            "R": "permit (principal, action, resource);"
            "forbid (principal, action, resource) when { principal.n + 9223372036854775807 > 0 };"
        },
    )
    assert not erring.may(Entity("P", "p", {"n": 5}), Question("a", Entity("R", "r")))
    assert not erring.may(Entity("P", "p", {"n": 0}), Question("a", Entity("R", "r")))
    assert erring.may(Entity("P", "p", {"n": -9223372036854775807}), Question("a", Entity("R", "r")))


def test_any_text_is_an_id() -> None:
    caller = Principal('a"b\n', "x", ("events:read",), id='"}\\ \u2028')
    assert rights(caller) == {"events:read"}


@pytest.mark.parametrize(
    ("who", "granted"),
    [
        (key(), ()),
        (key("events:read"), ()),
        (key("events:read", "personal:read", "dataset:marts.fct_transactions"), ()),
        (key(*ALL_SCOPES), ()),
        (key("own:silver.asset_created_v1"), ()),
        (key("query:run"), ("dataset:gold.*",)),
        (user("analyst"), ("dataset:silver.asset_created_v1",)),
        (user("data-engineer"), ()),
        (user("data-engineer"), ("personal:read",)),
        (user("creator"), ()),
        (user("auditor"), ("personal:read",)),
    ],
)
def test_what_follows_from_the_scopes_is_what_the_policies_say(
    who: Principal, granted: tuple[str, ...]
) -> None:
    seen = Caller(who.org, who.name, rights(who, granted), who.kind, who.id, frozenset(who.roles))
    for dataset in (EVENTS, "marts.fct_transactions", "gold.x", "silver.asset_created_v1", "raw.events"):
        for of in ("public", "internal", "confidential", "restricted", "unknown"):
            asked = policies.column(who, dataset, of, granted, policies=in_force())
            assert visibility.column(seen, dataset, of) == asked, (dataset, of)


def test_a_moment_is_of_cedar() -> None:
    assert policies.moment(NOW + timedelta(microseconds=1999)) == {
        "__extn": {"fn": "datetime", "arg": "2026-11-30T12:00:00.001Z"}
    }


def test_the_purposes_are_those_of_policies_and_of_the_document() -> None:
    policy = (SCHEMAS / "policies" / "grants.cedar").read_text()
    listed = re.findall(r"\[([^\]]*)\]\.contains\(resource\.purpose\)", policy)
    assert [tuple(json.loads(f"[{one}]")) for one in listed] == [grants.PERSONAL_PURPOSES]
    schemas = api_document.load(SCHEMAS / api_document.FILE)["components"]["schemas"]
    assert tuple(schemas["Purpose"]["enum"]) == grants.PURPOSES
    assert tuple(schemas["PersonalPurpose"]["enum"]) == grants.PERSONAL_PURPOSES
