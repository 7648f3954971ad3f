"""The actions that a caller may have the right to: one list, which routes, policies, roles and keys name.

A right is the name of an action. Beside it stand datasets by name, `dataset:<name>` or `dataset:<layer>.*`: what may be read of the
lake. `own:` in place of `dataset:` reads the rows that are the caller's own.
"""

import re
from collections.abc import Collection, Mapping

DATA: Mapping[str, str] = {
    "events:write": "Send events.",
    "events:read": "Read events, their story and windows of aggregates.",
    "schemas:read": "Read contracts, and check a contract beside those in force.",
    "quarantine:read": "Read events that were refused.",
    "quarantine:write": "Repair, replay and discard events that were refused.",
    "fraud:read": "Read decisions about transactions, and score one.",
    "catalog:read": "Read what datasets there are, their lineage and quality.",
    "features:read": "Read features of users, merchants and products.",
    "alerts:read": "Read alerts.",
    "alerts:write": "Acknowledge and mute alerts.",
    "personal:read": "Read protected values in clear, where the API reads events, and who has which number.",
    "query:run": "Ask the lake in SQL, of the datasets that one may read.",
    "datasets:anonymise": "Release a table about nobody, of a period.",
}
ADMINISTRATION: Mapping[str, str] = {
    "personal:detokenise": "Ask for the value behind a token, with a purpose and a reason.",
    "audit:read": "Read the audit.",
    "tenants:read": "List tenants.",
    "tenants:write": "Create, suspend and resume tenants.",
    "users:read": "List users and their roles.",
    "users:write": "Invite users, set their roles, disable them.",
    "keys:read": "List keys.",
    "keys:write": "Make, rotate and revoke keys.",
    "roles:read": "List roles and what they may.",
    "grants:read": "List requests for access and what was granted.",
    "grants:request": "Ask for access to a dataset or to personal data.",
    "grants:approve": "Approve, refuse and revoke what others asked for.",
    "sources:read": "List what feeds intake beside the API.",
    "sources:write": "Pause and resume sources.",
    "subjects:read": "Read what is kept of a person, their consents, and erasures.",
    "subjects:write": "Record consents, rectify, restrict, export and erase.",
}
# Of a key that stands in a page for all to read: it sends events, and may have no other right.
PUBLIC = "events:write:public"
ACTIONS: Mapping[str, str] = {**DATA, **ADMINISTRATION, PUBLIC: "Send events from a page that all can read."}

DATASET, OWN = "dataset:", "own:"
LAYERS = ("raw", "staging", "silver", "gold", "marts", "ml_features")
ALL_DATASETS = f"{DATASET}*"
# Of a credential, and their characters together: the gateway carries them to the function with every call.
MOST_DATASETS = 50
MOST_CHARACTERS = 3000
_NAMED = re.compile(rf"(?:{DATASET}|{OWN})(?:\*|(?:{'|'.join(LAYERS)})\.(?:\*|[a-z][a-z0-9_]{{0,127}}))")


def is_dataset(scope: str) -> bool:
    """Whether it names what may be read of the lake: `dataset:marts.fct_transactions`, `dataset:gold.*`, `dataset:*`."""
    return _NAMED.fullmatch(scope) is not None


def is_scope(scope: str) -> bool:
    """Whether a credential can have it."""
    return scope in ACTIONS or is_dataset(scope)


def too_many(scopes: Collection[str]) -> str | None:
    """Why a credential cannot name so many datasets, in words; None if it can."""
    named = {scope for scope in scopes if is_dataset(scope)}
    if len(named) <= MOST_DATASETS and sum(map(len, named)) <= MOST_CHARACTERS:
        return None
    return (
        f"a credential names at most {MOST_DATASETS} datasets in {MOST_CHARACTERS} characters: "
        "name layers, such as dataset:marts.*"
    )
