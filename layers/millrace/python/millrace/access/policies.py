"""What a caller may: the policies evaluated for every right and every layer of the lake, when its credential is recognised.

The authorizer calls `rights` once per credential and minute and hands the answer over, so a handler only looks whether a right is in it.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import chain
from typing import Protocol

from millrace.access import cedar
from millrace.access.actions import ACTIONS, DATASET, LAYERS, OWN, is_dataset
from millrace.access.cedar import Entity, Policies, Question
from millrace.access.roles import ROLES, SERVICE_ACCOUNT
from millrace.access.visibility import EVENTS, Visibility, scopes_of
from millrace.core import clock

_EVERYTHING = "*"


class Known(Protocol):
    """Whoever was recognised: `credentials.Principal`, and `core.http.Caller` in a function behind the gateway."""

    @property
    def org(self) -> str:
        """The tenant."""

    @property
    def scopes(self) -> Collection[str]:
        """What the credential names."""

    @property
    def kind(self) -> str:
        """`key` or `user`."""

    @property
    def id(self) -> str:
        """Which one."""

    @property
    def roles(self) -> Collection[str]:
        """Roles of the tenant."""


# As Cedar is asked, the most telling first.
_SHOWN: tuple[Visibility, ...] = ("clear", "token", "masked")


def rights(
    principal: Known, granted: Iterable[str] = (), *, policies: Policies | None = None
) -> frozenset[str]:
    """The scopes that a caller has: actions, and datasets such as `dataset:marts.*`.

    Args:
        principal: the holder of a credential.
        granted: what approved requests add to it now: datasets as scopes, and `personal:read`.
        policies: other ones than those in force.
    """
    caller = entity(principal, granted)
    asked: list[tuple[str, Question]] = [
        (right, Question(right, tenant(principal.org), {"right": right})) for right in ACTIONS
    ]
    for kind, action in ((DATASET, "dataset:read"), (OWN, "dataset:read_own")):
        names = {f"{layer}.{_EVERYTHING}" for layer in LAYERS} | _named(
            kind, chain(principal.scopes, caller.attributes["granted"])
        )
        asked += [(f"{kind}{name}", Question(action, dataset(principal.org, name))) for name in sorted(names)]
    answers = (policies or cedar.load()).decide(caller, [question for _, question in asked])
    return frozenset(scope for (scope, _), may in zip(asked, answers, strict=True) if may)


def column(
    principal: Known,
    name: str,
    classification: str,
    granted: Iterable[str] = (),
    *,
    policies: Policies | None = None,
) -> Visibility:
    """How a column is shown, asked of the policies themselves; `visibility.column` says the same from the scopes alone."""
    resource = _column(principal.org, name, classification)
    questions = [Question(f"column:{shown}", resource) for shown in _SHOWN]
    answers = (policies or cedar.load()).decide(entity(principal, granted), questions)
    return next((shown for shown, may in zip(_SHOWN, answers, strict=True) if may), "absent")


def entity(principal: Known, granted: Iterable[str] = ()) -> Entity:
    """A caller as policies see it. A role that does not exist is none."""
    is_user = principal.kind == "user"
    roles = set(principal.roles) & ROLES.keys() | (set() if is_user else {SERVICE_ACCOUNT})
    return Entity(
        "User" if is_user else "Key",
        f"{principal.org}/{principal.id}",
        {
            "tenant": tenant(principal.org).reference,
            "scopes": [] if is_user else sorted(principal.scopes),
            "granted": sorted(granted),
        },
        tuple(Entity("Role", role) for role in sorted(roles)),
    )


def tenant(org: str) -> Entity:
    """A tenant as policies see it."""
    return Entity("Tenant", org)


def dataset(org: str, name: str) -> Entity:
    """A dataset, or with `*` in the place of its name all of a layer."""
    return Entity("Dataset", f"{org}/{name}", _of_dataset(org, name))


def moment(at: datetime) -> dict[str, object]:
    """A moment as Cedar reads it, to the millisecond."""
    return {"__extn": {"fn": "datetime", "arg": clock.utc_text(at)}}


def _column(org: str, name: str, classification: str) -> Entity:
    attributes = {
        **_of_dataset(org, name),
        "classification": classification,
        "unseals": name == EVENTS,
    }
    return Entity("Column", f"{org}/{name}/{classification}", attributes, (dataset(org, name),))


def _of_dataset(org: str, name: str) -> dict[str, object]:
    layer = name.partition(".")[0]
    own: Sequence[str] = sorted(scopes_of(OWN, layer, name))
    return {
        "tenant": tenant(org).reference,
        "layer": layer,
        "named": sorted(scopes_of(DATASET, layer, name)),
        "ownNamed": own,
    }


def _named(kind: str, scopes: Iterable[str]) -> set[str]:
    """The datasets that scopes of this kind name one by one."""
    names = {scope.removeprefix(kind) for scope in scopes if scope.startswith(kind) and is_dataset(scope)}
    return {name for name in names if _EVERYTHING not in name}
