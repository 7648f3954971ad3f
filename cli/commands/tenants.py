"""`millrace tenants`: tenants and their settings. Needs AWS rights on the Metadata table, not an API key."""

from typing import Annotated

import typer

from cli.errors import UsageError
from cli.options import Env, Json
from cli.output import fitted, out, print_json
from cli.target import find_target
from cli.tenants import existing, no_such_tenant

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Tenants and their settings.")


@app.command("list")
def list_(env: Env = None, as_json: Json = False) -> None:
    """List the tenants that have or had a key, and which event ids each may send."""
    from millrace.access.credentials import orgs
    from millrace.core.table import Table
    from millrace.eventstore import tenant_ids

    target = find_target(env)
    metadata = Table(target.client("dynamodb"), target.output("MetadataTable"))
    items = [{"org": org, "ids": tenant_ids.read(metadata, org)} for org in orgs(metadata)]
    if as_json:
        print_json({"items": items})
    else:
        out.print(fitted(("org", "event ids"), [(item["org"], item["ids"]) for item in items], folded=()))


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
