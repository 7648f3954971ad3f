"""`millrace tenants`: tenants and their settings. Needs AWS rights on the Metadata table, not an API key."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli import operators
from cli.errors import RefusedError, UsageError
from cli.options import Env, Json
from cli.output import fitted, out, print_json
from cli.target import Target, find_target
from cli.tenants import existing, no_such_tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from millrace.core.table import Table

Org = Annotated[str, typer.Argument(help="The tenant.", metavar="ORG")]
app = typer.Typer(no_args_is_help=True, add_completion=False, help="Tenants and their settings.")


@app.command("list")
def list_(env: Env = None, as_json: Json = False) -> None:
    """List tenants, whether they are suspended, and which event ids each may send."""
    from millrace.access import tenants
    from millrace.eventstore import tenant_ids

    metadata = _metadata(find_target(env))
    items = [{**one.to_json(), "ids": tenant_ids.read(metadata, one.org)} for one in tenants.listed(metadata)]
    if as_json:
        print_json({"items": items})
        return
    rows = [
        tuple(str(one[name] or "") for name in ("org", "name", "status", "region", "ids")) for one in items
    ]
    out.print(fitted(("org", "name", "status", "region", "event ids"), rows, folded={"name"}))


@app.command()
def create(
    org: Org,
    name: Annotated[str, typer.Option("--name", help="For people (default: the org).")] = "",
    region: Annotated[str | None, typer.Option("--region", help="Where its data must be.")] = None,
    admin: Annotated[
        str | None, typer.Option("--admin", help="The e-mail address of its first user, a Tenant Admin.")
    ] = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Create a tenant, and invite its first user."""
    from millrace.access import tenants, users
    from millrace.access.giving import TENANT_ADMIN
    from millrace.access.user_pool import CognitoPool

    target = find_target(env)
    metadata = _metadata(target)
    tenants.check_org(org)
    if tenants.get(metadata, org) is not None:
        raise RefusedError(f"there is a tenant {org} already")
    operators.audit(metadata, tenants.OPERATOR, "tenants.create", {"org": org})
    if admin is not None:
        # First, so that the command can be repeated until both are there.
        pool = CognitoPool(target.client("cognito-idp"), target.output("UserPoolId"))
        member = users.known(pool, org, admin, [TENANT_ADMIN])
        told = {**member.audited, "roles": member.roles}
        operators.audit(metadata, org, "users.invite", told, also=users.adding(member))
    made = tenants.create(metadata, org, name=name, region=region)
    if made is None:
        raise RefusedError(f"there is a tenant {org} already")
    if as_json:
        print_json(made.to_json())
    else:
        out.print(f"created. Its first key: millrace keys create --org {org} --name NAME")


@app.command()
def suspend(org: Org, env: Env = None, as_json: Json = False) -> None:
    """Have every credential of a tenant refused, within 60 seconds."""
    from millrace.access import tenants

    _set(tenants.suspend, "tenants.suspend", org, env, as_json)


@app.command()
def resume(org: Org, env: Env = None, as_json: Json = False) -> None:
    """Let a suspended tenant in again."""
    from millrace.access import tenants

    _set(tenants.resume, "tenants.resume", org, env, as_json)


@app.command()
def ids(
    choice: Annotated[
        str,
        typer.Argument(
            help="any: UUIDs, ULIDs or other text up to 128 characters; contract: what each contract says.",
            metavar="any|contract",
        ),
    ],
    org: Annotated[str, typer.Option("--org", help="The tenant.")],
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Set which event ids a tenant may send; functions follow within 60 seconds."""
    from millrace.core.table import Table
    from millrace.eventstore import tenant_ids

    target = find_target(env)
    if choice not in tenant_ids.CHOICES:
        raise UsageError(f"{choice!r} is none of {', '.join(tenant_ids.CHOICES)}")
    if org not in (known := existing(target)):
        raise UsageError(no_such_tenant(org, known))
    tenant_ids.write(Table(target.client("dynamodb"), target.output("MetadataTable")), org, choice)
    if as_json:
        print_json({"org": org, "ids": choice})
    else:
        what = "ids of any text" if choice == tenant_ids.ANY else "the ids that each contract says"
        out.print(f"{org} may send events with {what}, within 60 seconds")


def _set(
    change: "Callable[[Table, str], bool]", action: str, org: str, env: str | None, as_json: bool
) -> None:
    from millrace.access import tenants

    metadata = _metadata(find_target(env))
    if tenants.get(metadata, org) is None:
        raise RefusedError(f"there is no tenant {org}: millrace tenants list")
    operators.audit(metadata, tenants.OPERATOR, action, {"org": org})
    change(metadata, org)
    now = tenants.get(metadata, org)
    if now is None:
        raise RefusedError(f"there is no tenant {org} any more")
    if as_json:
        print_json(now.to_json())
    else:
        out.print(f"{org} is {now.status}; the gateway follows within 60 seconds")


def _metadata(target: Target) -> "Table":
    from millrace.core.table import Table

    return Table(target.client("dynamodb"), target.output("MetadataTable"))
