"""What a caller may give to others: no key and no role has rights that its giver lacks. Pure.

A user with the role Tenant Admin gives any role, but to themselves: users are their work, and each change is in the audit. A key
never does, whatever its rights: whoever it made a Tenant Admin would give the rest.
"""

from collections.abc import Collection, Iterable, Mapping

from millrace.access.actions import ALL_DATASETS, DATASET, LAYERS, OWN, PUBLIC, is_dataset

TENANT_ADMIN = "tenant-admin"
_EVENTS_WRITE = "events:write"


def refusal(
    kind: str, roles: Collection[str], held: Collection[str], asked: Mapping[str, Collection[str]]
) -> str | None:
    """Why a caller may not give these roles, in words for the caller; None if they may.

    Args:
        kind: of the caller, `user` or `key`.
        roles: that the caller has.
        held: scopes that the caller has.
        asked: the roles, and what each may.
    """
    if kind == "user" and TENANT_ADMIN in roles:
        return None
    if TENANT_ADMIN in asked:
        return f"the role {TENANT_ADMIN} is given by users who have it"
    if lacking := beyond(held, (right for rights in asked.values() for right in rights)):
        return f"a role cannot be given by who lacks its rights: {', '.join(lacking[:5])}"
    return None


def beyond(held: Collection[str], asked: Iterable[str]) -> list[str]:
    """Those of the asked scopes that the held ones do not cover, sorted.

    Args:
        held: of the giver, as the authorizer hands them over.
        asked: of the key or role.
    """
    return sorted(scope for scope in set(asked) if not _covers(held, scope))


def _covers(held: Collection[str], scope: str) -> bool:
    if scope in held or (scope == PUBLIC and _EVENTS_WRITE in held):
        return True
    if not is_dataset(scope):
        return False
    kind, _, name = scope.partition(":")
    if name == "*":
        whole = all(_covers(held, f"{kind}:{layer}.*") for layer in LAYERS)
    else:
        layer = name.partition(".")[0]
        whole = ALL_DATASETS in held or f"{kind}:*" in held or f"{kind}:{layer}.*" in held
    # Whoever reads all rows reads their own.
    return whole or (kind == OWN.rstrip(":") and _covers(held, f"{DATASET}{name}"))
