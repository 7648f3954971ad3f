"""People and keys who call: with the context that the authorizer would have handed over, rights and grants evaluated."""

import base64
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from millrace.access import users
from millrace.access.credentials import Principal
from millrace.access.grant_store import Granted, GrantStore
from millrace.access.policies import rights
from millrace.core.http import Caller
from millrace.core.table import Table
from tests.support.platform import ACME, Platform
from tests.support.policies import in_force


@dataclass(frozen=True)
class Person:
    """Somebody with roles of a tenant, or with `scopes` a key."""

    id: str
    roles: tuple[str, ...] = ()
    org: str = ACME
    scopes: tuple[str, ...] = ()
    kind: str = field(default="user")

    @property
    def principal(self) -> Principal:
        """As the authorizer recognised them."""
        return Principal(self.org, f"name of {self.id}", self.scopes, (), self.kind, self.id, self.roles)

    def join(self, running: Platform) -> None:
        """Makes them a user of the tenant, with their roles, if they are none."""
        member = users.Membership(
            self.org,
            self.id,
            f"{self.id}@example.com",
            self.id,
            self.roles,
            users.ACTIVE,
            "2026-11-30T00:00:00.000Z",
        )
        Table(running.dynamodb, "Metadata").transact(users.adding(member), doing="join")

    def granted(self, running: Platform) -> tuple[str, ...]:
        """What approved requests add now."""
        store = GrantStore(Table(running.dynamodb, "Metadata"))
        return Granted(store).scopes(self.principal, in_force())

    def caller(self, granted: tuple[str, ...] = ()) -> Caller:
        """As a function sees them."""
        one = self.principal
        held = rights(one, granted, policies=in_force())
        return Caller(one.org, one.name, held, one.kind, one.id, frozenset(one.roles))

    def event(
        self,
        route: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        granted: tuple[str, ...] = (),
        **path: str,
    ) -> dict[str, Any]:
        """A call of theirs, as the gateway hands it to a function."""
        one = self.caller(granted)
        said = {
            "org": one.org,
            "principal": one.principal,
            "scopes": " ".join(sorted(one.scopes)),
            "kind": one.kind,
            "id": one.id,
            "roles": " ".join(sorted(one.roles)),
        }
        raw = b"" if body is None else json.dumps(body).encode()
        return {
            "version": "2.0",
            "routeKey": route,
            "headers": {"Content-Type": "application/json"},
            "pathParameters": path,
            "queryStringParameters": dict(query or {}),
            "requestContext": {
                "requestId": str(uuid.uuid4()),
                "authorizer": {"lambda": said},
                "http": {"sourceIp": "203.0.113.7", "method": route.split(maxsplit=1)[0]},
            },
            "body": base64.b64encode(raw).decode(),
            "isBase64Encoded": True,
        }

    def call(
        self,
        running: Platform,
        function: str,
        route: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        **path: str,
    ) -> tuple[int, Any]:
        """Status and body of the answer, with what they are granted at this moment."""
        event = self.event(route, body, query=query, granted=self.granted(running), **path)
        answer = running.invoke(function, event)
        return answer["statusCode"], json.loads(answer["body"])
