"""`millrace keys`: API keys of tenants. Needs AWS rights on the Metadata table, not an API key."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import tenants
from cli.errors import RefusedError, UsageError
from cli.options import Env, Json
from cli.output import fitted, out, print_json
from cli.target import find_target

if TYPE_CHECKING:
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
        list[str] | None, typer.Option("--scope", help="A right; may be repeated (default: all).")
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
    from millrace.access.credentials import ALL_SCOPES, create_api_key
    from millrace.core.table import Table

    target = find_target(env)
    expires = datetime.now(UTC) + timedelta(days=days) if days else None
    scopes = tuple(scope or ALL_SCOPES)
    metadata = Table(target.client("dynamodb"), target.output("MetadataTable"))
    key = create_api_key(
        metadata, org=org, name=name, scopes=scopes, expires_at=expires, origins=origin or ()
    )
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
def list_(env: Env = None, as_json: Json = False) -> None:
    """List the keys' holders; the keys themselves are not stored."""
    from millrace.core.table import Table

    target = find_target(env)
    metadata = Table(target.client("dynamodb"), target.output("MetadataTable"))
    with ThreadPoolExecutor(8) as pool:
        partitions = pool.map(lambda number: _partition(metadata, number), range(PARTITIONS))
        items = sorted(
            (item for partition in partitions for item in partition),
            key=lambda item: (item["org"], item["createdAt"]),
        )
    if as_json:
        print_json({"items": items})
        return
    from millrace.core import clock

    rows = [
        (
            item["id"][:SHOWN],
            item["org"],
            item["name"],
            item["status"],
            item["createdAt"],
            clock.utc_text(item["expiresAt"]) if item["expiresAt"] else "never",
            " ".join(item["scopes"]),
        )
        for item in items
    ]
    columns = ("id", "org", "name", "status", "created", "expires", "rights")
    out.print(fitted(columns, rows, folded={"name", "rights"}, optional=("created", "expires")))


@app.command()
def revoke(
    key: Annotated[
        str, typer.Argument(help="The key itself (mk_…), or its id from the list.", metavar="KEY|ID")
    ],
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Revoke a key; the gateway refuses it within 60 seconds."""
    from millrace.access.credentials import PREFIX, revoke_api_key, revoke_digest
    from millrace.core.table import Table

    target = find_target(env)
    by_id = not key.startswith(PREFIX)
    if by_id and not _ID.fullmatch(key):
        raise UsageError(
            f"{key!r} is neither a key (mk_…) nor an id from the list (its first {SHOWN} digits or more)"
        )
    metadata = Table(target.client("dynamodb"), target.output("MetadataTable"))
    done = revoke_digest(metadata, _full_id(metadata, key)) if by_id else revoke_api_key(metadata, key)
    if not done:
        raise RefusedError("there is no such key")
    if as_json:
        print_json({"revoked": True})
    else:
        out.print("revoked")


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


def _partition(metadata: "Table", number: int) -> list[dict[str, Any]]:
    from millrace.access.credentials import KIND, PLATFORM
    from millrace.core import keys

    key = {":key": {"S": keys.metadata(PLATFORM, KIND, f"{number:02x}")}}
    return [_holder(item) for item in metadata.query("entityTypeKey = :key", key)]


def _holder(item: dict[str, Any]) -> dict[str, Any]:
    expires = item.get("expiresAt")
    return {
        "id": item["entityId"]["S"],
        "org": item["orgId"]["S"],
        "name": item["name"]["S"],
        "scopes": sorted(item["scopes"]["SS"]),
        "origins": sorted(item["origins"]["SS"]) if "origins" in item else [],
        "status": item["status"]["S"],
        "createdAt": item["createdAt"]["S"],
        "expiresAt": datetime.fromtimestamp(int(expires["N"]), UTC) if expires else None,
    }
