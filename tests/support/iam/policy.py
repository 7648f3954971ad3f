"""Statements of a policy document, and whether one of them is about a request.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.support.iam.conditions import Context, UnknownVariableError, arn_like, expand, hold, like

Document = Mapping[str, Any]
Statement = Mapping[str, Any]
# How an element names the caller: not at all, its account (which then may hand the right on), or itself.
Named = Literal["not", "account", "itself"]


@dataclass(frozen=True, slots=True)
class Caller:
    """A role of an account by its ARN, or a service by its name, such as `sns.amazonaws.com`."""

    name: str

    @property
    def is_service(self) -> bool:
        """Whether the call comes from a service in its own name."""
        return not self.name.startswith("arn:")

    @property
    def account(self) -> str:
        """Of a role; empty for a service."""
        return "" if self.is_service else self.name.split(":")[4]


@dataclass(frozen=True)
class Request:
    """A call: who, which action (`sns:Publish`), on which ARN (`*` for actions that take none), with which keys."""

    caller: Caller
    action: str
    resource: str
    keys: Mapping[str, Any] = field(default_factory=dict)

    @property
    def context(self) -> Context:
        """The given keys, and those that every request has."""
        service = self.caller.is_service
        common = {"aws:SecureTransport": "true", "aws:PrincipalIsAWSService": str(service).lower()}
        if service:
            common["aws:PrincipalServiceName"] = self.caller.name
        else:
            common |= {"aws:PrincipalArn": self.caller.name, "aws:PrincipalAccount": self.caller.account}
        return {key.lower(): value for key, value in {**common, **self.keys}.items()}


def statements(document: Document) -> Iterator[Statement]:
    """The statements of a document; a single one may stand without a list."""
    several = document["Statement"]
    yield from several if isinstance(several, list) else [several]


def applies(statement: Statement, request: Request, *, resource_named: bool = True) -> bool:
    """Whether action, resource and conditions of a statement are those of a request; who calls is not looked at.

    Args:
        statement: of an identity's or a resource's policy.
        request: the call.
        resource_named: False for a trust policy, which has no resource: it is its role's.
    """
    context = request.context
    try:
        return (
            _action(statement, request.action)
            and (not resource_named or _resource(statement, request.resource, context))
            and hold(statement.get("Condition", {}), context)
        )
    except UnknownVariableError:
        return False


def names(statement: Statement, caller: Caller) -> Named:
    """How a resource's policy names a caller."""
    if "NotPrincipal" in statement:
        return "itself" if _named(statement["NotPrincipal"], caller) == "not" else "not"
    return _named(statement["Principal"], caller)


def _named(principal: Any, caller: Caller) -> Named:
    if principal == "*":
        return "itself"
    if caller.is_service:
        services = _list(principal.get("Service", []))
        return "itself" if caller.name in services or "*" in _list(principal.get("AWS", [])) else "not"
    accounts = _list(principal.get("AWS", []))
    if "*" in accounts or caller.name in accounts:
        return "itself"
    root = f"arn:aws:iam::{caller.account}:root"
    return "account" if root in accounts or caller.account in accounts else "not"


def _action(statement: Statement, action: str) -> bool:
    # Actions are the one element in which case does not count.
    element = "Action" if "Action" in statement else "NotAction"
    matched = any(like(action.lower(), pattern.lower()) for pattern in _list(statement[element]))
    return matched == (element == "Action")


def _resource(statement: Statement, resource: str, context: Context) -> bool:
    element = "Resource" if "Resource" in statement else "NotResource"
    matched = any(arn_like(resource, expand(pattern, context)) for pattern in _list(statement[element]))
    return matched == (element == "Resource")


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
