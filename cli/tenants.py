"""Whose data a command reads or writes: decided here for all commands, by `--org` and MILLRACE_API_KEY or a sign-in.

A key belongs to one tenant, and so does a sign-in. Where MILLRACE_API_KEY is set, or somebody is signed in, that decides, and `--org` can only confirm it; otherwise `--org`
chooses among the keys of the local platform.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from cli import sign_in
from cli.errors import CommandError, RefusedError, UsageError
from cli.places import around
from cli.target import FIRST_ORG, SAMPLE_ORG, Target, unsigned

if TYPE_CHECKING:
    from millrace.access.credentials import Holder
    from millrace.core.table import Table

VARIABLE = "MILLRACE_API_KEY"
TOKEN = sign_in.VARIABLE


def tenant(target: Target, org: str | None) -> str:
    """The tenant of a command that works for one: of MILLRACE_API_KEY, of `--org`, or the first demo tenant locally.

    Raises:
        UsageError: the key is of another tenant or not valid, there is no such tenant, or none is named.
        RefusedError: the platform did not say whose key it is.
    """
    chosen = only(target, org)
    if chosen is None and target.env != "local":
        raise UsageError(f"--org is needed in {target.env}: it names the tenant")
    return chosen or FIRST_ORG


def only(target: Target, org: str | None) -> str | None:
    """The one tenant that `--org` or MILLRACE_API_KEY names; None if neither is given.

    Raises:
        UsageError: as `of_key`, or there is no such tenant.
        RefusedError: the platform did not say whose key it is.
    """
    owner = of_key(target, org)
    if (
        owner is None
        and org is not None
        and org not in target.keys
        and org not in (known := existing(target))
    ):
        raise UsageError(no_such_tenant(org, known))
    return owner or org


def of_key(target: Target, org: str | None) -> str | None:
    """The tenant of MILLRACE_API_KEY; None if it is not set.

    Raises:
        UsageError: the key is not valid, or of another tenant than `--org` names.
        RefusedError: the platform did not say whose key it is.
    """
    given = os.environ.get(VARIABLE, "")
    if not given:
        return _of_token(target, org)
    holder = _holder(target, given)
    problem = "is not a key of this platform" if holder is None else holder.problem
    if holder is None or problem:
        raise UsageError(f"the key in {VARIABLE} {problem}. {_way_out(target)}")
    if org not in (None, holder.org):
        raise UsageError(f"the key in {VARIABLE} is of {holder.org}, not of {org}. {_way_out(target)}")
    return holder.org


def key(target: Target, org: str | None) -> str:
    """The API key to call with.

    Raises:
        UsageError: as `tenant`, or no key of that tenant is here.
        RefusedError: the platform did not say whose key it is.
    """
    given = os.environ.get(VARIABLE, "")
    if given and org is None and target.env != "local":
        # The API decides; a caller there may have no right to look a key up.
        return given
    if not given and (token := _token(target)):
        owner = _of_token(target, org)
        return token if sign_in.org_of(token) or owner is None else f"{owner}/{token}"
    name = tenant(target, org)
    known = given or target.keys.get(name)
    if not known:
        raise UsageError(
            f"there is no key of {name} here: put one into {VARIABLE}, or make one: "
            f"millrace keys create --org {name} --name NAME"
        )
    return known


def _token(target: Target) -> str:
    """Of MILLRACE_TOKEN, or of the kept sign-in; empty if there is none."""
    return sign_in.token(
        target.env,
        lambda session: (
            target.client("cognito-idp") if target.env == "local" else unsigned("cognito-idp", session.region)
        ),
    )


def _of_token(target: Target, org: str | None) -> str | None:
    """The tenant that a token is used for: the one that stands before it, `--org`, or the only one; None without a token.

    Raises:
        UsageError: it is used for another tenant than `--org` names, or for none.
    """
    token = _token(target)
    if not token:
        return None
    named = sign_in.org_of(token)
    if named and org not in (None, named):
        raise UsageError(f"{_signed_in(named)}, not for {org}. {_other_way(target, org)}")
    if named or org:
        return named or org
    from cli.api import Api

    me = Api(target, key=token).ask("GET", "/v1/me")
    if len(me["orgs"]) != 1:
        raise UsageError(f"name a tenant with --org: {', '.join(me['orgs'])}")
    return str(me["org"])


def calls_as_one(target: Target) -> bool:
    """Whether a key, a token or a kept sign-in says who calls."""
    return bool(os.environ.get(VARIABLE) or sign_in.given()) or sign_in.kept(target.env) is not None


def check_all(target: Target) -> None:
    """Returns if nothing names one tenant whose rows alone a command would read.

    Raises:
        UsageError: MILLRACE_API_KEY is set, or somebody is signed in: a key and a sign-in read the rows of one tenant.
    """
    if os.environ.get(VARIABLE):
        raise UsageError(
            f"the key in {VARIABLE} reads the rows of one tenant: leave --all-tenants out, or unset {VARIABLE}; all rows are "
            "read with AWS rights"
        )
    session, given = sign_in.kept(target.env), sign_in.given()
    if given or session is not None:
        out = f"unset {TOKEN}" if given else f"millrace logout{_of_env(target)}"
        named = (sign_in.org_of(given) if given or session is None else session.org) or "one tenant"
        raise UsageError(
            f"{_signed_in(named)} alone: leave --all-tenants out, or sign out ({out}); all rows are read with AWS rights"
        )


def _signed_in(named: str) -> str:
    return f"the token in {TOKEN} is for {named}" if sign_in.given() else f"the sign-in is for {named}"


def _other_way(target: Target, org: str) -> str:
    """How one calls for another tenant than the one that one is signed in to."""
    if sign_in.given():
        return f"Put {org}/TOKEN into {TOKEN}, or unset it"
    session = sign_in.kept(target.env)
    user = session.user if session is not None else "EMAIL"
    other = f"Sign in to it: millrace login --user {user} --org {org}{_of_env(target)}"
    if org in target.keys:
        return f"{other}; or sign out, and its key in .local/keys.json is used: millrace logout"
    return other


def _of_env(target: Target) -> str:
    return "" if target.env == "local" else f" --env {target.env}"


def existing(target: Target) -> list[str]:
    """The tenants that have or had a key: of the platform, or those of `.local/keys.json` if it does not answer."""
    from millrace.access.tenants import orgs
    from millrace.core.errors import MillraceError

    try:
        return sorted(orgs(_metadata(target)))
    except MillraceError:
        return sorted(name for name in target.keys if name)


def no_such_tenant(org: str, known: Iterable[str]) -> str:
    """The sentence for a tenant that nobody created."""
    return (
        f"there is no tenant {org}; there are {', '.join(known) or 'none yet'}. "
        f"A first key creates it: millrace keys create --org {org} --name NAME"
    )


def why_refused(target: Target, api_key: str) -> str:
    """Why the platform refuses a key, in words; empty if it cannot be found out, or the key is valid."""
    from botocore.exceptions import BotoCoreError, ClientError

    if sign_in.is_token(api_key):
        return "it is over, or of no member of that tenant; sign in again: millrace login"
    # The answer itself is refused anyway; who has no right to the table reads the platform's own reason.
    with suppress(CommandError, BotoCoreError, ClientError):
        holder = _holder(target, api_key)
        return (
            "it is not a key of this platform"
            if holder is None
            else holder.problem and f"it {holder.problem}"
        )
    return ""


def remember(target: Target, org: str, api_key: str, *, replaces: str = "") -> str | None:
    """Writes a new key to `.local/keys.json`, readable by the user alone, unless a better one of its tenant is there.

    Args:
        target: the platform.
        org: the tenant.
        api_key: the key.
        replaces: the id of the key that it replaces; that one is none that is better.

    Returns:
        The file, or None if it was not written.
    """
    from millrace.access.rows import digest

    places = around()
    if target.env != "local" or places is None:
        return None
    kept = target.keys.get(org, "")
    if not replaces or digest(kept) != replaces:
        new, old = _holder(target, api_key), _holder(target, kept)
        if new is None or (
            old is not None and old.org == org and not old.problem and not set(old.scopes) < set(new.scopes)
        ):
            return None
    # The sample tenant's key has a file of its own.
    is_sample = org == SAMPLE_ORG
    held = {name: key for name, key in target.keys.items() if (name == SAMPLE_ORG) == is_sample}
    file = places.sample_keys if is_sample else places.keys
    write_keys(file, {**held, org: api_key})
    return os.path.relpath(file)


def write_keys(path: Path, keys: Mapping[str, str]) -> None:
    """Writes tenants' keys into a file that the user alone can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(orjson.dumps(dict(keys), option=orjson.OPT_INDENT_2))


def _way_out(target: Target) -> str:
    if target.env == "local":
        return f"Without {VARIABLE} the keys in .local/keys.json are used"
    return "millrace keys create makes another"


def _holder(target: Target, api_key: str) -> "Holder | None":
    from millrace.access.credentials import holder
    from millrace.core.errors import MillraceError

    try:
        return holder(_metadata(target), api_key)
    except MillraceError as error:
        raise RefusedError(f"whose key {VARIABLE} is cannot be looked up: {error}") from error


def _metadata(target: Target) -> "Table":
    from millrace.core.table import Table

    return Table(target.client("dynamodb"), target.output("MetadataTable"))
