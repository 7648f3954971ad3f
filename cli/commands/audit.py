"""`millrace audit`: who did what, and whether the log of it is as it was written."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from cli import past, repairs, results
from cli.api import Api
from cli.commands.patterns import From, To
from cli.errors import RefusedError, UsageError
from cli.options import Env, Json, Org
from cli.output import complain, counted, err, out, print_json, visible, wrapped
from cli.target import Target, find_target
from cli.tenants import of_key

if TYPE_CHECKING:
    from millrace.audit.store import AuditStore
    from millrace.audit.verdict import Verdict

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Who did what and what was denied: list lines, verify that none was changed or removed.",
)
# Of what is broken, as it is shown.
MOST_SHOWN = 20


@app.command("list")
def list_(
    *,
    action: Annotated[
        str | None, typer.Option("--action", help="Only lines of this action, such as keys.create.")
    ] = None,
    principal: Annotated[
        str | None, typer.Option("--principal", help="Only what this credential or user did.")
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option(
            "--subject", help="Only lines about this person, such as reads of their values, by the user's id."
        ),
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="Written at or after this ISO 8601 time.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="Written before this ISO 8601 time.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 50,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """List lines of the audit, newest first."""
    api = Api(find_target(env), org)
    query = {"action": action, "principal": principal, "subject": subject, "from": from_, "to": to}
    items, cursor = repairs.listed(api, query, limit, "/v1/audit")
    if as_json:
        print_json({"items": items, "cursor": cursor})
        return
    if not items:
        out.print("Nothing matches." if any(query.values()) else "The audit has no lines.")
        return

    def show() -> None:
        for item in items:
            for line in _lines(item):
                out.print(line, markup=False)

    results.paged(show)


@app.command()
def verify(
    *,
    org: Annotated[str | None, typer.Option("--org", help="Only the chain of this tenant.")] = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="Also write what is verified to this file.", metavar="FILE")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="Verify this file of --save, without a platform.", metavar="FILE"),
    ] = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Verify that no line of the audit was changed, removed, inserted or reordered.

    Needs AWS rights on the Metadata table and the lake, not an API key. It says of each chain how far the daily anchors prove it: lines behind
    the newest anchor are proven by each other alone, and that their end is whole is not proven. Where somebody is signed in, or with
    MILLRACE_API_KEY, only the chain of that tenant is verified. Exits with 1 where something does not fit.
    """
    if file is not None:
        if org is not None or save is not None:
            raise UsageError("--file is verified as it is: leave out --org and --save")
        verdict = _of_file(file)
    else:
        verdict = _of_platform(find_target(env), org, save)
    document = verdict.to_json()
    if as_json:
        print_json(document)
    else:
        _show(document, org)
    if verdict.broken:
        complain("the audit is not as it was written")
        raise typer.Exit(RefusedError.exit_code)


@app.command()
def logs(
    *,
    from_: From = None,
    to: To = None,
    status: Annotated[
        str | None, typer.Option("--status", help="Only answers whose status begins so, such as 4 or 401.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 50,
    org: Annotated[str | None, typer.Option("--org", help="Only calls of this tenant.")] = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """List calls of the HTTP API from its access log in the lake, hour by hour, the oldest first.

    Needs AWS rights on the lake, not an API key: the log is of all tenants. Lines come some minutes after their calls. The local platform
    writes none.
    """
    from cli import access_logs
    from millrace.core.objects import Objects

    since, until = past.span(from_, to)
    target = find_target(env)
    lake = Objects(target.client("s3"), target.output("LakeBucket"))
    with err.status("reading the access log …"):
        items = list(islice(access_logs.lines(lake, since, until, org, status), limit))
    if as_json:
        print_json({"items": items})
        return
    if not items:
        out.print("Nothing matches." if org or status else "The access log has no lines of this time.")
        return
    for item in items:
        who = f"{item.get('org') or '–'} {item.get('principal') or '–'}"
        text = f"{item.get('time', '')}  {item.get('status', '')}  {item.get('route', '')}  {who}"
        out.print(visible(text if "status" in item else str(item.get("message", ""))), markup=False)


def _of_file(path: Path) -> "Verdict":
    from millrace.audit import export

    try:
        with path.open("rb") as file:
            return export.verify(file)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error


def _of_platform(target: Target, org: str | None, save: Path | None) -> "Verdict":
    from millrace.audit import export

    chosen = of_key(target, org) or org
    store = _store(target)
    known = store.known()
    if chosen is not None and chosen not in known:
        raise UsageError(f"{chosen} has no chain; there are {', '.join(known) or 'none yet'}")
    if save is not None:
        try:
            with save.open("wb") as file:
                for document in export.documents(store, chosen):
                    file.write(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
        except OSError as error:
            raise UsageError(f"{save} cannot be written: {error.strerror}") from error
        return _of_file(save)
    with err.status("verifying …"):
        verdict = store.verify(None if chosen is None else [chosen])
    verdict.org = chosen
    verdict.refuse_nothing()
    return verdict


def _store(target: Target) -> "AuditStore":
    from millrace.audit.store import AuditStore
    from millrace.core.objects import Objects
    from millrace.core.table import Table

    metadata = Table(target.client("dynamodb"), target.output("MetadataTable"))
    return AuditStore(metadata, Objects(target.client("s3"), target.output("AuditBucket")))


def _show(document: Mapping[str, Any], named: str | None) -> None:
    broken, chains = document["broken"], document["chains"]
    what = (
        f"{counted(document['lines'], 'line')} of {counted(len(chains), 'chain')} and "
        f"{counted(document['anchors'], 'anchor')}"
    )
    _print(f"{what}: {counted(len(broken), 'fault') if broken else 'all are as they were written'}")
    if document["org"] is not None:
        why = "" if named else ", whose credential this is"
        _print(f"only the chain of {document['org']}{why}: other chains were not looked at")
    for one in chains:
        _show_chain(one)
    newest = document["newestAnchor"]
    if newest is not None:
        _print(f"newest anchor: {newest['key']}, SHA-256")
        _print(newest["sha256"], "  ")
    for one in broken[:MOST_SHOWN]:
        place = f"{one['org']} line {one['number']}" if one["org"] is not None else one["anchor"] or "all"
        _print(f"{place}: {one['kind']}: {one['why']}", "  ")
    if len(broken) > MOST_SHOWN:
        _print(f"and {len(broken) - MOST_SHOWN} others; --json has all", "  ")


def _show_chain(chain: Mapping[str, Any]) -> None:
    from millrace.audit.order import numbers_text

    org, last, anchored = chain["org"], chain["last"], chain["anchoredUpTo"]
    if not chain["lines"]:
        _print(f"{org}: no lines")
        return
    _print(f"{org}: {numbers_text(chain['first'], last)}, {chain['firstAt']} to {chain['lastAt']}")
    if anchored is None:
        _print("no anchor: its lines are proven by each other alone, and its end is unproven", "  ")
        return
    _print(f"anchored up to line {anchored:,} by {chain['anchor']}", "  ")
    if chain["unproven"]:
        behind = numbers_text(anchored + 1, last)
        verb = "is" if chain["unproven"] == 1 else "are"
        _print(f"unproven: {behind} {verb} proven by the hashes alone, and the end may be cut", "  ")
    else:
        _print(f"unproven: whether lines were removed behind line {last:,}", "  ")


def _print(text: str, indent: str = "") -> None:
    for line in wrapped(visible(text), indent):
        out.print(line, markup=False)


def _lines(item: Mapping[str, Any]) -> Iterator[str]:
    number = "before the chain" if item["number"] is None else f"line {item['number']}"
    yield f"{item['at']}  {item['action']}  {number}"
    detail = orjson.dumps(item["detail"]).decode()
    yield from wrapped(visible(f"by {item['principal']}: {detail}"), "  ")
