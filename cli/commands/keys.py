"""`millrace keys`: API keys of tenants. Needs AWS rights on the Metadata table, not an API key."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from cli import durations, operators, tenants
from cli.errors import RefusedError, UsageError
from cli.options import Env, Json
from cli.output import out, print_json, show_rows
from cli.target import Target, find_target

if TYPE_CHECKING:
    from millrace.access.keys import KeyRecord
    from millrace.core.table import Table

app = typer.Typer(no_args_is_help=True, add_completion=False, help="API keys of tenants.")
PARTITIONS = 256
# Digits of an id that the table shows; all 64 are in the JSON.
SHOWN = 12
_ID = re.compile(rf"[0-9a-f]{{{SHOWN},64}}")


@app.command()
def create(
    org: Annotated[str, typer.Option("--org", help="The tenant of the key.")],
    name: Annotated[
        str, typer.Option("--name", help="Its holder; the eventSource of events that have none.")
    ],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            help="A right, or a dataset as dataset:marts.orders_by_day, dataset:marts.*; may be repeated "
            "(default: all rights to data and all datasets, so personal:read as well, which shows protected "
            "values in clear; none of administration).",
        ),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            "--origin", help="A page that may send with a key of events:write:public; may be repeated."
        ),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option("--days", min=1, max=36_500, help="How long it is valid (default: for ever)."),
    ] = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Create a key and show it, this once."""
    from millrace.access import rows
    from millrace.access.credentials import DATA_SCOPES, create_api_key

    target = find_target(env)
    expires = datetime.now(UTC) + timedelta(days=days) if days else None
    scopes = tuple(scope or DATA_SCOPES)
    metadata = _metadata(target)
    key = create_api_key(
        metadata, org=org, name=name, scopes=scopes, expires_at=expires, origins=origin or ()
    )
    # Nobody has it before the line is written.
    operators.audit(metadata, org, "keys.create", {"name": name, "id": rows.digest(key), "scopes": scopes})
    file = tenants.remember(target, org, key)
    if as_json:
        print_json(
            {
                "key": key,
                "org": org,
                "name": name,
                "scopes": scopes,
                "expiresAt": expires,
                "origins": origin or [],
            }
        )
    else:
        kept = f"It is in {file}, so --org {org} uses it from here." if file else "Keep it now."
        out.print(f"{key}\nThe platform stores only its hash. {kept}", markup=False)


@app.command("list")
def list_(
    org: Annotated[
        str | None, typer.Option("--org", help="The tenant whose keys are listed (default: every tenant).")
    ] = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """List the keys' holders; the keys themselves are not stored."""
    from millrace.access import keys

    metadata = _metadata(find_target(env))
    found = keys.listed(metadata, org) if org else _every(metadata)
    items = sorted(found, key=lambda one: (one.org, one.created_at))
    if as_json:
        print_json({"items": [item.to_json() for item in items]})
        return
    rows = [
        (
            item.id[:SHOWN],
            f"{item.prefix}…" if item.prefix else "",
            item.org,
            item.name,
            item.status,
            item.created_at,
            item.to_json()["expiresAt"] or "never",
            item.last_used_at or "",
            " ".join(item.scopes),
        )
        for item in items
    ]
    columns = ("id", "key", "org", "name", "status", "created", "expires", "last used", "rights")
    show_rows(columns, rows, folded={"name", "rights"}, head=5)


@app.command()
def rotate(
    key: Annotated[str, typer.Argument(help="The key's id from the list.", metavar="ID")],
    overlap: Annotated[
        str, typer.Option("--overlap", help="How long the old key is good: 30m, 24h, 7d.", metavar="TIME")
    ] = "24h",
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Make a key with the rights of another, which is refused after an overlap."""
    from millrace.access import keys, rows

    target = find_target(env)
    metadata, span = _metadata(target), durations.parse("--overlap", overlap)
    if span > keys.LONGEST_OVERLAP:
        raise UsageError(f"--overlap is at most {keys.LONGEST_OVERLAP.days}d")
    if not _ID.fullmatch(key):
        raise UsageError(_no_id(key))
    item = metadata.get(rows.credential(_full_id(metadata, key)), consistent=True)
    if item is None:
        raise RefusedError("there is no such key")
    old = keys.read(item)
    operators.audit(metadata, old.org, "keys.rotate", {"id": old.id, "overlap": overlap})
    made = keys.rotate(metadata, old, span)
    if made is None:
        raise RefusedError("the key was revoked, has expired, or has a successor already")
    file = tenants.remember(target, old.org, made, replaces=old.id)
    if as_json:
        print_json({"key": made, "id": rows.digest(made), "replaces": old.id, "org": old.org})
    else:
        kept = f"It is in {file}, so --org {old.org} uses it from here." if file else "Keep it now."
        out.print(f"{made}\n{kept} The old key of {old.name} is refused in {overlap}.", markup=False)


@app.command()
def revoke(
    key: Annotated[
        str, typer.Argument(help="The key itself (mk_…), or its id from the list.", metavar="KEY|ID")
    ],
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Revoke a key; the gateway refuses it within 60 seconds."""
    from millrace.access import keys, rows
    from millrace.access.credentials import PREFIX, revoke_digest

    target = find_target(env)
    by_id = not key.startswith(PREFIX)
    if by_id and not _ID.fullmatch(key):
        raise UsageError(_no_id(key))
    metadata = _metadata(target)
    held = keys.find(metadata, _full_id(metadata, key) if by_id else rows.digest(key))
    if held is None:
        raise RefusedError("there is no such key")
    operators.audit(metadata, held.org, "keys.revoke", {"id": held.id})
    revoke_digest(metadata, held.id)
    if as_json:
        print_json({"revoked": True})
    else:
        out.print("revoked")


Arn = Annotated[
    str, typer.Argument(help="Of the role: arn:aws:iam::111122223333:role/loader.", metavar="ARN")
]


@app.command("bind-role")
def bind_role(
    arn: Arn,
    org: Annotated[str, typer.Option("--org", help="The tenant that the role calls for.")],
    scope: Annotated[
        list[str], typer.Option("--scope", help="A right, or a dataset, as of a key; may be repeated.")
    ],
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Let a role of AWS get tokens at POST /v1/token, in place of a key."""
    from millrace.access import aws_roles

    metadata = _metadata(find_target(env))
    made = aws_roles.bind(metadata, arn, org, scope)
    operators.audit(metadata, org, "keys.bind-role", {"role": made.role, "scopes": made.scopes})
    if as_json:
        print_json({"role": made.role, "org": made.org, "scopes": made.scopes})
    else:
        out.print(f"{made.role} calls for {made.org}", markup=False)


@app.command("unbind-role")
def unbind_role(arn: Arn, env: Env = None, as_json: Json = False) -> None:
    """End what bind-role began; a token of the role is good for 15 minutes at most."""
    from millrace.access import aws_roles

    metadata = _metadata(find_target(env))
    held = aws_roles.bound(metadata, arn)
    if held is None:
        raise RefusedError("this role is not bound")
    operators.audit(metadata, held.org, "keys.unbind-role", {"role": held.role})
    aws_roles.unbind(metadata, arn)
    if as_json:
        print_json({"unbound": True})
    else:
        out.print("unbound")


@app.command("list-roles")
def list_roles(env: Env = None, as_json: Json = False) -> None:
    """List the roles of AWS that get tokens, and for which tenant."""
    from millrace.access import aws_roles

    found = aws_roles.listed(_metadata(find_target(env)))
    if as_json:
        print_json({"items": [{"role": one.role, "org": one.org, "scopes": one.scopes} for one in found]})
    else:
        rows = [(one.role, one.org, " ".join(one.scopes)) for one in found]
        show_rows(("role", "org", "rights"), rows, folded={"rights"})


def _full_id(metadata: "Table", shown: str) -> str:
    """The full id that begins with the given digits."""
    from millrace.access.credentials import digests_like

    match digests_like(metadata, shown):
        case []:
            raise RefusedError("there is no such key")
        case [digest]:
            return digest
        case _:
            raise RefusedError("several keys have that id; use the full id: millrace keys list --json")


def _no_id(given: str) -> str:
    return f"{given!r} is neither a key (mk_…) nor an id from the list (its first {SHOWN} digits or more)"


def _every(metadata: "Table") -> list["KeyRecord"]:
    """The keys of every tenant; those of earlier versions are in their tenants' lists from then on."""
    from millrace.access import keys

    with ThreadPoolExecutor(8) as pool:
        partitions = pool.map(lambda number: keys.in_partition(metadata, f"{number:02x}"), range(PARTITIONS))
        items = [item for partition in partitions for item in partition]
    keys.list_older(metadata, items)
    return [keys.read(item) for item in items]


def _metadata(target: Target) -> "Table":
    from millrace.core.table import Table

    return Table(target.client("dynamodb"), target.output("MetadataTable"))
