"""Tenants, users, roles and keys over the API, each caller through the authorizer; of two tenants, none reaches the other's."""

import io
import json
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from cli.main import run
from functions.authorize import handler as authorizing
from millrace.access import aws_roles, rows, tenants, users
from millrace.access.actions import ADMINISTRATION, DATA
from millrace.access.credentials import create_api_key
from millrace.access.grant_store import GrantStore
from millrace.access.user_pool import CognitoPool
from millrace.core import clock
from millrace.core.errors import PermanentError
from millrace.core.table import Table
from tests.support.functions import function
from tests.support.gateway import Gateway
from tests.support.openapi import DOCUMENT
from tests.support.platform import ACME, GLOBEX, LAKE, Platform, platform
from tests.support.user_pool import key_set

EMAIL = "ana@example.com"
ADMIN = ("keys:read", "keys:write", "users:read", "users:write", "roles:read")
Answer = tuple[int, dict[str, Any]]


class Api:
    """The API of a platform through the gateway, called with one credential or another."""

    def __init__(self, running: Platform, functions: Mapping[str, Any] | None = None) -> None:
        self.running, self.metadata = running, Table(running.dynamodb, "Metadata")
        self.pool = CognitoPool(running.cognito, running.user_pool.id)
        self._gateway = Gateway(DOCUMENT, functions or running.functions)

    def signed(self, arn: str) -> Answer:
        """A token asked for by who signs with a session of a role of AWS."""
        gateway, self._gateway = self._gateway, Gateway(DOCUMENT, self.running.functions, aws_caller=arn)
        try:
            return self("", "POST", "/v1/token")
        finally:
            self._gateway = gateway

    def __call__(self, credential: str, method: str, path: str, body: object = None) -> Answer:
        raw = b"" if body is None else json.dumps(body).encode()
        path, _, query = path.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(raw)),
            "CONTENT_TYPE": "application/json",
            "wsgi.input": io.BytesIO(raw),
            "HTTP_AUTHORIZATION": f"Bearer {credential}",
        }
        started: list[str] = []
        answer = b"".join(self._gateway(environ, lambda status, _: started.append(status)))
        return int(started[0].split()[0]), json.loads(answer)

    def key(self, org: str, *scopes: str) -> str:
        return create_api_key(self.metadata, org=org, name=f"key of {org}", scopes=scopes)

    def member(self, org: str, email: str, *roles: str, name: str = "") -> str:
        found = users.known(self.pool, org, email, roles, name)
        assert self.metadata.transact(users.adding(found), doing="add user")
        return found.user

    def token(self, user: str, **claims: Any) -> str:
        return self.running.user_pool.token(user, **claims)

    def audited(self, org: str) -> list[str]:
        prefix = f"{org}#audit#"
        found = [row for row in self.running.rows("Metadata") if row["entityTypeKey"]["S"].startswith(prefix)]
        assert EMAIL not in json.dumps(found)
        # What a caller may not is told of by tests/integration/test_audit.py.
        return sorted(row["action"]["S"] for row in found if row["action"]["S"] != "access.denied")


@pytest.fixture(scope="module")
def shared(bundle: Path) -> Iterator[Platform]:
    with platform(bundle, in_memory=True) as running:
        yield running


@pytest.fixture
def api(shared: Platform) -> Iterator[Api]:
    """Two tenants as they were made, and no users."""
    table, pool = shared.dynamodb.tables["Metadata"], {"UserPoolId": shared.user_pool.id}
    before = dict(table)
    with patch.object(authorizing, "key_set", lambda _: key_set()):
        yield Api(shared)
    table.clear()
    table.update(before)
    for user in shared.cognito.list_users(**pool)["Users"]:
        shared.cognito.admin_delete_user(**pool, Username=user["Username"])


def test_a_key_is_made_listed_replaced_and_revoked(api: Api) -> None:
    mine = api.key(ACME, *ADMIN, "events:read")
    made = {
        "name": "checkout",
        "scopes": ["events:read"],
        "expiresAt": clock.utc_text(clock.now() + timedelta(days=30)),
    }
    status, key = api(mine, "POST", "/v1/keys", made)
    assert (status, key["name"], key["scopes"], key["status"]) == (200, "checkout", ["events:read"], "active")
    assert key["expiresAt"][:16] == made["expiresAt"][:16]
    assert api(key["key"], "GET", "/v1/events?correlationId=x")[0] == 200
    assert api(key["key"], "GET", "/v1/keys")[0] == 403
    status, listed = api(mine, "GET", "/v1/keys")
    assert status == 200
    (found,) = [one for one in listed["items"] if one["id"] == key["id"]]
    assert found["prefix"] == key["key"][:11]
    assert key["key"] not in json.dumps(listed)
    assert found["lastUsedAt"] is not None
    path = f"/v1/keys/{key['id']}"
    status, new = api(mine, "POST", f"{path}/rotate", {"overlapHours": 1})
    assert (status, new["scopes"]) == (200, ["events:read"])
    assert api(mine, "POST", f"{path}/rotate")[0] == 409
    for one in (key["key"], new["key"]):
        assert api(one, "GET", "/v1/me")[0] == 200
    status, gone = api(mine, "DELETE", f"/v1/keys/{new['id']}")
    assert (status, gone["status"]) == (200, "revoked")
    assert api(new["key"], "GET", "/v1/me")[0] == 403
    assert api.audited(ACME) == ["keys.create", "keys.revoke", "keys.rotate"]


def test_no_key_has_rights_that_its_maker_lacks(api: Api) -> None:
    mine = api.key(ACME, *ADMIN, "events:read", "dataset:marts.*")
    strong = api.key(ACME, *ADMINISTRATION, *DATA)
    for scopes in (["events:write"], ["events:read", "audit:read"], ["dataset:*"], ["dataset:silver.x"]):
        status, problem = api(mine, "POST", "/v1/keys", {"name": "x", "scopes": scopes})
        assert (status, problem["detail"][:41]) == (403, "a key cannot have rights that its maker l")
    status, _ = api(mine, "POST", "/v1/keys", {"name": "x", "scopes": ["dataset:marts.orders", "keys:read"]})
    assert status == 200
    # Nor by replacing a stronger one.
    path = f"/v1/keys/{rows.digest(strong)}"
    assert api(mine, "POST", f"{path}/rotate")[0] == 403
    assert api(strong, "GET", "/v1/me")[0] == 200
    for body in (
        {"name": "x", "scopes": ["made:up"]},
        {"name": "x", "scopes": []},
        {"name": "a\nb", "scopes": ["keys:read"]},
        {"name": "millrace.x", "scopes": ["keys:read"]},
        {"name": "x", "scopes": ["keys:read"], "origins": ["https://a.example"]},
        {"name": "x", "scopes": ["keys:read"], "expiresAt": "2020-01-01T00:00:00Z"},
    ):
        assert api(mine, "POST", "/v1/keys", body)[0] in (400, 403)
    assert api.audited(ACME) == ["keys.create"], "of what was refused no line says that it was made"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://a.example", 200),
        ("http://a.example:1", 200),
        ("https://a.example:65535", 200),
        ("https://a.example:65536", 400),
        ("https://a.example:99999", 400),
        ("https://a.example:0", 400),
        ("https://a.example:", 400),
        ("https://a.example/", 400),
    ],
)
def test_an_origin_has_a_port_that_there_is(api: Api, origin: str, status: int) -> None:
    body = {"name": "x", "scopes": ["events:write:public"], "origins": [origin]}
    assert api(api.key(ACME, *ADMIN, "events:write"), "POST", "/v1/keys", body)[0] == status


@pytest.mark.parametrize("sign", ["\u202e", "\u0000", "\u0085", "\u200f", "\u2066"])
def test_a_user_has_no_character_that_nobody_sees(api: Api, sign: str) -> None:
    admin = api.token(api.member(ACME, "admin@example.com", "tenant-admin"))
    for body in ({"email": f"a{sign}a@b.de"}, {"email": "a@b.de", "name": f"a{sign}b"}):
        assert api(admin, "POST", "/v1/users", {"roles": ["analyst"], **body})[0] == 400
    assert api(admin, "POST", "/v1/users", {"roles": ["analyst"], "email": "a@b.de", "name": "ä b"})[0] == 200


def test_another_tenants_keys_and_users_are_not_there(api: Api) -> None:
    mine, other = api.key(GLOBEX, *ADMINISTRATION, *DATA), api.key(ACME, *ADMIN)
    user, id_ = api.member(ACME, EMAIL, "analyst"), rows.digest(other)
    for method, path, body in (
        ("DELETE", f"/v1/keys/{id_}", None),
        ("POST", f"/v1/keys/{id_}/rotate", {}),
        ("PATCH", f"/v1/users/{user}", {"roles": ["tenant-admin"]}),
        ("PATCH", f"/v1/users/{user}", {"status": "disabled"}),
        ("PATCH", f"/v1/users/{user}", {"signOut": True}),
        ("DELETE", f"/v1/users/{user}", None),
    ):
        assert api(mine, method, path, body)[0] == 404, path
    for path in ("/v1/keys", "/v1/users", "/v1/tenants"):
        status, listed = api(mine, "GET", path)
        assert status == 200
        assert {one["org"] for one in listed["items"]} <= {GLOBEX}
    assert api(other, "GET", "/v1/me")[0] == api(api.token(user), "GET", "/v1/me")[0] == 200
    assert api.audited(ACME) == []


def test_a_list_is_read_in_pages(api: Api) -> None:
    mine = api.key(ACME, *ADMIN)
    ids = {rows.digest(api.key(ACME, "events:read")) for _ in range(4)} | {rows.digest(mine)}
    found, cursor, pages = set(), "", 0
    while cursor is not None:
        page = api(mine, "GET", f"/v1/keys?limit=2{cursor and f'&cursor={cursor}'}")[1]
        found |= {one["id"] for one in page["items"]}
        cursor, pages = page["cursor"], pages + 1
        assert pages < 9
    assert ids <= found
    other = api.key(GLOBEX, *ADMIN)
    first = api(mine, "GET", "/v1/keys?limit=2")[1]["cursor"]
    assert api(other, "GET", f"/v1/keys?limit=2&cursor={first}")[0] == 400


def test_a_user_signs_in_and_may_what_their_roles_may(api: Api) -> None:
    admin = api.key(
        ACME, *ADMIN, *DATA, "dataset:*", "grants:read", "grants:request", "sources:read", "sources:write"
    )
    body = {"email": f"  {EMAIL.upper()} ", "roles": ["analyst"], "name": "ana"}
    status, user = api(admin, "POST", "/v1/users", body)
    assert (status, user["email"], user["roles"], user["status"]) == (200, EMAIL, ["analyst"], "active")
    assert api(admin, "POST", "/v1/users", body)[0] == 409
    token = api.token(user["id"])
    status, me = api(token, "GET", "/v1/me")
    assert (status, me["kind"], me["id"], me["name"], me["org"]) == (200, "user", user["id"], "ana", ACME)
    # The token says that it is of the group tenant-admin, and nobody asks it.
    assert me["roles"] == ["analyst"]
    assert "query:run" in me["rights"]
    assert api(token, "GET", "/v1/users")[0] == api(token, "GET", "/v1/quarantine")[0] == 403
    path = f"/v1/users/{user['id']}"
    assert api(admin, "PATCH", path, {"roles": ["data-engineer"]})[1]["roles"] == ["data-engineer"]
    assert api(token, "GET", "/v1/quarantine")[0] == 200
    assert api(admin, "PATCH", path, {"status": "disabled"})[0] == 200
    assert api(token, "GET", "/v1/me")[0] == 403
    assert api(admin, "PATCH", path, {"status": "active"})[0] == 200
    assert api(token, "GET", "/v1/me")[0] == 200
    assert [one["id"] for one in api(admin, "GET", "/v1/users")[1]["items"]] == [user["id"]]
    assert api(admin, "DELETE", path)[0] == 200
    assert api(token, "GET", "/v1/me")[0] == 403
    assert api(admin, "DELETE", path)[0] == 404
    with pytest.raises(api.running.cognito.exceptions.UserNotFoundException):
        api.running.cognito.admin_get_user(UserPoolId=api.running.user_pool.id, Username=EMAIL)
    assert api.audited(ACME) == sorted(["users.change"] * 3 + ["users.invite", "users.remove"])
    told = [one["detail"] for one in _lines(api, "users.invite", "users.remove")]
    assert [(one["id"], one["name"]) for one in told] == [(user["id"], "ana")] * 2


def test_whoever_is_signed_out_signs_in_again(api: Api) -> None:
    admin, user = api.key(ACME, *ADMIN), api.member(ACME, EMAIL, "analyst")
    api.member(GLOBEX, EMAIL, "analyst")
    before = api.token(user)
    assert api(f"{ACME}/{before}", "GET", "/v1/me")[0] == 200
    assert api(admin, "PATCH", f"/v1/users/{user}", {"signOut": True})[0] == 200
    now = int(time.time())
    # One that was renewed says when the password was given.
    renewed = api.token(user, auth_time=now - 60)
    for token in (before, renewed):
        assert api(f"{ACME}/{token}", "GET", "/v1/me")[0] == 403
    assert api(f"{ACME}/{api.token(user, auth_time=now + 2)}", "GET", "/v1/me")[0] == 200
    # What one tenant says holds for it alone.
    assert api(f"{GLOBEX}/{before}", "GET", "/v1/me")[0] == 200


def test_who_lost_password_and_authenticator_gets_a_password_for_once(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    user = api.member(ACME, EMAIL, "analyst", name="ana")
    api.member(GLOBEX, EMAIL, "analyst", name="ana")
    pool = {"UserPoolId": api.running.user_pool.id, "Username": EMAIL}
    api.running.cognito.admin_set_user_password(**pool, Password="Long-enough-4-everybody", Permanent=True)
    assert api.running.cognito.admin_get_user(**pool)["UserStatus"] == "CONFIRMED"
    before = api.token(user)
    assert api(f"{ACME}/{before}", "GET", "/v1/me")[0] == 200
    clients = {"dynamodb": api.running.dynamodb, "cognito-idp": api.running.cognito}
    outputs = {"MetadataTable": "Metadata", "UserPoolId": api.running.user_pool.id}
    target = SimpleNamespace(client=clients.__getitem__, output=outputs.__getitem__)
    monkeypatch.setattr("cli.commands.users.find_target", lambda *_, **__: target)
    assert run(["users", "reset", user, "--authenticator", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["id"], said["orgs"]) == (user, [ACME, GLOBEX])
    assert api.running.cognito.admin_get_user(**pool)["UserStatus"] == "FORCE_CHANGE_PASSWORD"
    for org in (ACME, GLOBEX):
        assert api(f"{org}/{before}", "GET", "/v1/me")[0] == 403, "signed out everywhere"
    told = [one["detail"] for one in _lines(api, "users.change")]
    assert told == [{"id": user, "name": "ana", "reset": ["password", "authenticator"]}] * 2
    assert said["password"] not in json.dumps(api.running.rows("Metadata"))
    assert run(["users", "reset", "nobody"]) == 1
    # The only one who could list the ids may be who has lost the password.
    assert run(["users", "reset", EMAIL.upper(), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["id"] == user
    assert run(["users", "reset", "nobody@example.com"]) == 1
    assert run(["users", "reset", "@"]) != 0


def test_a_user_of_several_tenants_names_one(api: Api) -> None:
    user = api.member(ACME, EMAIL, "analyst")
    api.member(GLOBEX, EMAIL, "data-engineer")
    token = api.token(user)
    status, me = api(token, "GET", "/v1/me")
    assert (status, me["rights"], me["roles"], me["orgs"]) == (200, [], [], [ACME, GLOBEX])
    assert api(token, "GET", "/v1/datasets")[0] == 403
    for org, role in ((ACME, "analyst"), (GLOBEX, "data-engineer")):
        me = api(f"{org}/{token}", "GET", "/v1/me")[1]
        assert (me["org"], me["roles"]) == (org, [role])
    for org in ("org_none", "platform", "*"):
        assert api(f"{org}/{token}", "GET", "/v1/me")[0] == 403
    assert tenants.suspend(api.metadata, GLOBEX)
    assert api(f"{GLOBEX}/{token}", "GET", "/v1/me")[0] == 403
    assert api(token, "GET", "/v1/me")[1]["org"] == ACME
    # The pool keeps whoever belongs to somebody yet.
    assert api(api.key(ACME, *ADMIN), "DELETE", f"/v1/users/{user}")[0] == 200
    assert api.running.cognito.admin_get_user(UserPoolId=api.running.user_pool.id, Username=EMAIL)


def test_no_role_is_given_by_who_lacks_its_rights(api: Api) -> None:
    weak = api.key(ACME, *ADMIN)
    for role in ("data-engineer", "auditor", "privacy-officer"):
        status, problem = api(weak, "POST", "/v1/users", {"email": EMAIL, "roles": [role]})
        assert (status, problem["detail"][:23]) == (403, "a role cannot be given ")
    assert api(weak, "POST", "/v1/users", {"email": EMAIL, "roles": ["chief"]})[0] == 400
    assert api(weak, "POST", "/v1/users", {"email": "ana", "roles": ["analyst"]})[0] in (400, 403)
    admin = api.member(ACME, "admin@example.com", "tenant-admin")
    token = api.token(admin)
    status, user = api(token, "POST", "/v1/users", {"email": EMAIL, "roles": ["data-engineer"]})
    assert status == 200
    # But nobody gives themselves one, takes one from themselves, or leaves.
    for method, body in (
        ("PATCH", {"roles": ["tenant-admin", "data-engineer"]}),
        ("PATCH", {"status": "active"}),
        ("DELETE", None),
    ):
        assert api(token, method, f"/v1/users/{admin}", body)[0] == 403
    assert api(weak, "PATCH", f"/v1/users/{user['id']}", {"roles": ["auditor"]})[0] == 403
    # A key that an administrator makes is no more than they are.
    assert api(token, "POST", "/v1/keys", {"name": "x", "scopes": ["events:read"]})[0] == 403
    assert api(token, "POST", "/v1/keys", {"name": "x", "scopes": ["keys:read"]})[0] == 200


def test_no_key_makes_a_tenant_admin(api: Api) -> None:
    rights = next(
        one["rights"]
        for one in api(api.key(ACME, *ADMIN), "GET", "/v1/roles")[1]["items"]
        if one["name"] == "tenant-admin"
    )
    user = api.member(ACME, EMAIL, "analyst")
    for key in (api.key(ACME, *rights), api.key(ACME, *ADMINISTRATION, *DATA, "dataset:*")):
        for method, path, body in (
            ("POST", "/v1/users", {"email": "eve@example.com", "roles": ["tenant-admin"]}),
            ("PATCH", f"/v1/users/{user}", {"roles": ["analyst", "tenant-admin"]}),
        ):
            status, problem = api(key, method, path, body)
            assert (status, problem["detail"]) == (403, "the role tenant-admin is given by users who have it")
    admin = api.token(api.member(ACME, "admin@example.com", "tenant-admin"))
    assert api(admin, "PATCH", f"/v1/users/{user}", {"roles": ["tenant-admin"]})[0] == 200


LEAVING = ("DELETE", None)
ALL_TAKEN, ONE_TAKEN = ("PATCH", {"roles": ["creator"]}), ("PATCH", {"roles": ["analyst"]})


@pytest.mark.parametrize(("method", "body"), [LEAVING, ALL_TAKEN, ONE_TAKEN])
def test_what_was_granted_ends_with_what_its_holder_was(api: Api, method: str, body: object) -> None:
    user, lead, admin = _granted(api)
    token, path = api.token(user), f"/v1/users/{user}"
    # Of another tenant, so that the pool keeps them, by the same id.
    api.member(GLOBEX, EMAIL, "analyst")
    assert api(admin, method, path, body)[0] == 200
    closed = {"removed": method == "DELETE", "role": method != "DELETE"}
    grants = api(lead, "GET", "/v1/grants")[1]["items"]
    assert len(grants) == 2
    for one in grants:
        assert (one["state"], one["closedBy"]) == ("revoked", "admin")
        assert {word: word in one["closedReason"] for word in closed} == closed
        assert api(lead, "POST", f"/v1/grants/{one['id']}/approve")[0] == 409
    if method == "DELETE":
        api.member(ACME, EMAIL, "analyst", "creator")
    else:
        assert api(admin, "PATCH", path, {"roles": ["analyst", "creator"]})[0] == 200
    assert GRANTED not in api(f"{ACME}/{token}", "GET", "/v1/me")[1]["rights"]
    told = [one["detail"].get("grantsEnded", []) for one in _lines(api, "users.remove", "users.change")]
    assert [sorted(ids) for ids in told if ids] == [sorted(one["id"] for one in grants)]


def test_a_role_more_ends_nothing_and_disabling_suspends(api: Api) -> None:
    user, lead, admin = _granted(api)
    token, path = api.token(user), f"/v1/users/{user}"

    def rights() -> Any:
        return api(token, "GET", "/v1/me")[1].get("rights", ())

    assert api(admin, "PATCH", path, {"roles": ["analyst", "creator", "marketplace-admin"]})[0] == 200
    assert GRANTED in rights()
    (waiting,) = api(lead, "GET", "/v1/grants?state=requested")[1]["items"]
    assert api(admin, "PATCH", path, {"status": "disabled"})[0] == 200
    assert GRANTED not in rights()
    assert api(lead, "POST", f"/v1/grants/{waiting['id']}/approve")[0] == 409
    assert api(admin, "PATCH", path, {"status": "active"})[0] == 200
    assert GRANTED in rights()
    assert api(lead, "POST", f"/v1/grants/{waiting['id']}/approve")[0] == 200


def test_a_grant_that_comes_while_its_holder_is_removed_ends_too(api: Api) -> None:
    user, lead, admin = _granted(api)
    (waiting,) = api(lead, "GET", "/v1/grants?state=requested")[1]["items"]
    read, began = GrantStore.ending, list[bool]()

    def overtaken(*given: Any) -> Any:
        found = read(*given)
        if not began:
            began.append(True)
            assert api(lead, "POST", f"/v1/grants/{waiting['id']}/approve")[0] == 200
        return found

    with patch.object(GrantStore, "ending", overtaken):
        assert api(admin, "DELETE", f"/v1/users/{user}")[0] == 200
    assert {one["state"] for one in api(lead, "GET", "/v1/grants")[1]["items"]} == {"revoked"}
    assert len(_lines(api, "users.remove")) == 1


GRANTED = "dataset:silver.transaction_created_v1"


def _granted(api: Api) -> tuple[str, str, str]:
    """A user with a grant and a request that waits; tokens of a team lead and of an administrator."""
    user = api.member(ACME, EMAIL, "analyst", "creator")
    lead = api.token(api.member(ACME, "lead@example.com", "team-lead", name="lead"))
    admin = api.token(api.member(ACME, "admin@example.com", "tenant-admin", name="admin"))
    until = clock.utc_text(clock.now() + timedelta(days=9))
    for dataset in (GRANTED.removeprefix("dataset:"), "raw.events"):
        asked = {"dataset": dataset, "purpose": "research", "reason": "x", "until": until}
        status, grant = api(api.token(user), "POST", "/v1/grants", asked)
        assert status == 200, grant
        if dataset != "raw.events":
            assert api(lead, "POST", f"/v1/grants/{grant['id']}/approve")[0] == 200
    assert GRANTED in api(api.token(user), "GET", "/v1/me")[1]["rights"]
    return user, lead, admin


def _lines(api: Api, *actions: str) -> list[dict[str, Any]]:
    rows_ = [row for row in api.running.rows("Metadata") if row.get("action", {}).get("S") in actions]
    return [{"detail": json.loads(row["detail"]["S"])} for row in rows_]


def test_tenants_are_made_by_the_operator(api: Api) -> None:
    everything = api.key(ACME, *ADMINISTRATION, *DATA)
    new = {"org": "org_new", "name": "New", "region": "eu-central-1", "admin": EMAIL}
    assert api(everything, "POST", "/v1/tenants", new)[0] == 403
    operator = api.key(tenants.OPERATOR, "tenants:read", "tenants:write")
    status, made = api(operator, "POST", "/v1/tenants", new)
    assert (status, made["org"], made["region"], made["status"]) == (200, "org_new", "eu-central-1", "active")
    assert api(operator, "POST", "/v1/tenants", new)[0] == 409
    for wrong in (
        {"org": "platform"},
        {"org": "A"},
        {"org": "x", "admin": "nobody"},
        {"org": "x", "more": 1},
    ):
        assert api(operator, "POST", "/v1/tenants", wrong)[0] == 400
    orgs = [one["org"] for one in api(operator, "GET", "/v1/tenants")[1]["items"]]
    assert orgs == sorted({ACME, GLOBEX, "org_new", tenants.OPERATOR})
    (admin,) = users.listed(api.metadata, "org_new")
    assert api(api.token(admin.user), "GET", "/v1/users")[1]["items"][0]["email"] == EMAIL
    assert [one["org"] for one in api(everything, "GET", "/v1/tenants")[1]["items"]] == [ACME]
    assert api.audited(tenants.OPERATOR) == ["tenants.create"]
    assert "users.invite" in api.audited("org_new")
    (invited,) = _lines(api, "users.invite")
    assert invited["detail"] == {"id": admin.user, "roles": ["tenant-admin"]}


def test_tokens_that_are_not_of_a_member_are_refused(api: Api) -> None:
    user = api.member(ACME, EMAIL, "analyst")
    for token in (
        api.token("somebody-else"),
        api.token(user, token_use="id"),
        api.token(user, exp=int(time.time()) - 3600),
        api.token(user)[:-6] + "AAAAAA",
        "eyJhbGciOiJub25lIn0.e30.",
        "ey",
        f"{ACME}/",
        f"{ACME}/{ACME}/{api.token(user)}",
    ):
        assert api(token, "GET", "/v1/me")[0] == 403


def test_roles_say_what_they_may(api: Api) -> None:
    status, listed = api(api.key(ACME, *ADMIN), "GET", "/v1/roles")
    assert status == 200
    rights = {one["name"]: one["rights"] for one in listed["items"]}
    assert "dataset:marts.*" in rights["analyst"]
    assert not {"personal:read", "keys:write", "users:write"} & set(rights["analyst"])
    assert {"keys:write", "users:write"} <= set(rights["tenant-admin"])
    assert rights["auditor"] == ["audit:read"]


def test_any_credential_says_whose_it_is(api: Api) -> None:
    ends = clock.now() + timedelta(days=1)
    key = create_api_key(api.metadata, org=ACME, name="few", scopes=["alerts:read"], expires_at=ends)
    status, me = api(key, "GET", "/v1/me")
    assert (status, me["org"], me["name"], me["rights"]) == (200, ACME, "few", ["alerts:read"])
    assert me["expiresAt"][:19] == clock.utc_text(ends)[:19]
    assert me["id"] == rows.digest(key)


def test_a_role_of_aws_gets_a_token_for_a_quarter_of_an_hour(api: Api) -> None:
    session = "arn:aws:sts::111122223333:assumed-role/loader/run-7"
    assert api.signed(session)[0] == 403
    aws_roles.bind(api.metadata, "arn:aws:iam::111122223333:role/jobs/loader", ACME, ["events:read"])
    status, made = api.signed(session)
    assert (status, made["org"], made["rights"]) == (200, ACME, ["events:read"])
    assert made["token"].startswith("mt_")
    assert timedelta(minutes=14) < clock.parse(made["expiresAt"]) - clock.now() <= timedelta(minutes=15)
    status, me = api(made["token"], "GET", "/v1/me")
    assert (status, me["org"], me["name"], me["rights"]) == (
        200,
        ACME,
        "aws/111122223333/loader",
        ["events:read"],
    )
    assert me["expiresAt"] == made["expiresAt"]
    assert api(made["token"], "GET", "/v1/keys")[0] == 403
    # It is no key: no list has it, and nothing prolongs it.
    admin = api.key(ACME, *ADMIN, "events:read")
    id_ = rows.digest(made["token"])
    assert id_ not in {one["id"] for one in api(admin, "GET", "/v1/keys")[1]["items"]}
    assert (
        api(admin, "POST", f"/v1/keys/{id_}/rotate")[0] == api(admin, "DELETE", f"/v1/keys/{id_}")[0] == 404
    )
    with patch("time.time", lambda: clock.epoch(clock.parse(made["expiresAt"])) + 1.0):
        assert api(made["token"], "GET", "/v1/me")[0] == 403
    assert api.audited(ACME) == ["sessions.create"]
    for other in (
        "arn:aws:sts::111122223334:assumed-role/loader/run-7",
        "arn:aws:sts::111122223333:assumed-role/loader2/run-7",
        "arn:aws:sts::111122223333:assumed-role/loader/run/7",
        "arn:aws:iam::111122223333:role/loader",
        "arn:aws:iam::111122223333:user/loader",
        "arn:aws:iam::111122223333:root",
    ):
        assert api.signed(other)[0] == 403
    tenants.suspend(api.metadata, ACME)
    assert api.signed(session)[0] == api(made["token"], "GET", "/v1/me")[0] == 403
    tenants.resume(api.metadata, ACME)
    assert aws_roles.unbind(api.metadata, "arn:aws:iam::111122223333:role/loader")
    assert api.signed(session)[0] == 403


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "loader",
        "arn:aws:iam::1:role/x",
        "arn:aws:iam::111122223333:user/x",
        "arn:aws:iam::111122223333:role/*",
    ],
)
def test_only_roles_of_aws_are_bound(api: Api, arn: str) -> None:
    with pytest.raises(PermanentError):
        aws_roles.bind(api.metadata, arn, ACME, ["events:read"])
    with pytest.raises(PermanentError):
        aws_roles.bind(api.metadata, "arn:aws:iam::111122223333:role/x", ACME, ["events:write:public"])


def test_people_get_credentials_for_bi(api: Api) -> None:
    user = api.member(ACME, EMAIL, "analyst", "auditor")
    token = api.token(user)
    path = "/v1/bi-credentials"
    # Of this environment there is no Lake Formation.
    assert api(token, "POST", path, {"role": "analyst"})[0] == 404
    with function(
        "manage_access", {**api.running._environ, "BI_ACCOUNT": "111122223333", "BI_LAKE": LAKE}
    ) as elsewhere:
        functions = {**api.running.functions, "manage_access": elsewhere}
        there = Api(api.running, functions)
        status, given = there(token, "POST", path, {"role": "analyst"})
        assert (status, given["workgroup"]) == (200, f"millrace-local-bi-{ACME}")
        assert given["tables"] == ["gold.*", "marts.*"]
        assert timedelta(minutes=59) < clock.parse(given["expiresAt"]) - clock.now() <= timedelta(minutes=61)
        assert there(token, "POST", path)[0] == 400
        assert there(token, "POST", path, {"role": "data-engineer"})[0] == 403
        assert there(token, "POST", path, {"role": "auditor"})[0] == 403
        assert there(api.key(ACME, *DATA, "dataset:*"), "POST", path)[0] == 403
    assert api.audited(ACME) == ["sessions.create"]
