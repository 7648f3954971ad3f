"""`millrace pending`: tenant-days that no run could commit. Needs AWS rights on the Metadata table, not an API key."""

import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import RefusedError, UsageError
from cli.options import Env, Json
from cli.output import complain, fitted, out, print_json
from cli.places import checkout
from cli.target import Target, find_target
from cli.tenants import of_key

if TYPE_CHECKING:
    from millrace.core import table as stores
    from millrace.eventstore.failed_days import FailedDay

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Tenant-days that no run could commit; set one aside, or take it in again.",
)
Org = Annotated[str | None, typer.Option("--org", help="Only this tenant.")]
Day = Annotated[str | None, typer.Option("--day", help="Only this UTC day, such as 2026-11-01.")]
Table = Annotated[
    str | None, typer.Option("--table", help="Only days missing in this table, such as silver.x_v1.")
]


@app.command("list")
def list_(
    org: Org = None, day: Day = None, table: Table = None, env: Env = None, as_json: Json = False
) -> None:
    """List tenant-days that no run could commit or that are set aside, with the last error of each."""
    _check(day, table)
    target = find_target(env)
    _show(_matching(target, org, day, table), as_json, table)


@app.command("set-aside")
def set_aside(
    org: Org = None, day: Day = None, table: Table = None, env: Env = None, as_json: Json = False
) -> None:
    """Set tenant-days aside: runs skip them, even when new data arrives for them, until `take-in`."""
    _change("set_aside", (org, day, table), env, as_json)


@app.command("take-in")
def take_in(
    org: Org = None, day: Day = None, table: Table = None, env: Env = None, as_json: Json = False
) -> None:
    """Return tenant-days that were set aside to the next run."""
    _change("pending", (org, day, table), env, as_json)


def _change(
    to: str, query: tuple[str | None, str | None, str | None], env: str | None, as_json: bool
) -> None:
    from millrace.eventstore import failed_days

    org, day, table = query
    if query == (None, None, None):
        raise UsageError("select tenant-days with --org, --day or --table; millrace pending list shows them")
    _check(day, table)
    target = find_target(env)
    days = [one for one in _matching(target, *query) if one.state != to]
    if to == "set_aside" and not days and org and day and not table and _is_pending(target, org, day):
        # No run has failed on it yet; an operator may set it aside before one does.
        days = [failed_days.FailedDay(org, day, "pending")]
    transition = failed_days.set_aside if to == "set_aside" else failed_days.take_in
    metadata = _metadata(target)
    by, now = f"cli:{getpass.getuser()}", datetime.now(UTC)
    changed = [one for one in days if transition(metadata, one.org, one.day, by=by, now=now)]
    keys = {(one.org, one.day) for one in changed}
    if changed or as_json:
        _show([one for one in _read(target) if (one.org, one.day) in keys], as_json)
    if not changed:
        wanted = "can be set aside" if to == "set_aside" else "is set aside"
        complain(f"no such tenant-day {wanted}; millrace pending list shows them")
        raise typer.Exit(RefusedError.exit_code)


def _matching(target: Target, org: str | None, day: str | None, table: str | None) -> "list[FailedDay]":
    if org is not None:
        of_key(target, org)
    return [
        one
        for one in _read(target)
        if org in (None, one.org)
        and day in (None, one.day)
        and (table is None or not one.reasons or any(reason.table in (None, table) for reason in one.reasons))
    ]


def _check(day: str | None, table: str | None) -> None:
    """Checks the arguments before any store is read.

    Raises:
        UsageError: the day is not a date, or no contract describes the table.
    """
    from millrace.core.errors import PermanentError
    from millrace.runs.interval import days

    try:
        days(day, day)
    except PermanentError as error:
        raise UsageError(f"--day is {day!r}, which is not a date such as 2026-11-01") from error
    if table is not None and table not in tables():
        raise UsageError(f"--table is {table!r}, which is not a table; schemas/ has the tables")


def tables() -> set[str]:
    """The full names of all tables of this checkout's contracts."""
    schemas = checkout().root / "schemas"
    silver = {
        f"silver.{path.parent.name.replace('.', '_')}_{path.stem}"
        for path in schemas.glob("events/*/*/v*.yaml")
    }
    return silver | {f"{path.parent.name}.{path.stem}" for path in schemas.glob("tables/*/*.yaml")}


def _metadata(target: Target) -> "stores.Table":
    from millrace.core.table import Table

    return Table(target.client("dynamodb"), target.output("MetadataTable"))


def _read(target: Target) -> "list[FailedDay]":
    from millrace.eventstore import failed_days

    return failed_days.read(_metadata(target))


def _is_pending(target: Target, org: str, day: str) -> bool:
    from millrace.eventstore import pending

    waiting = pending.read(_metadata(target))
    return any((row.org, row.day) == (org, day) for row in waiting)


def items(days: "list[FailedDay]") -> list[dict[str, Any]]:
    """An item for each table in which a day is missing; one without a table where the run reached none."""
    return [
        {"org": one.org, "day": one.day, "table": table, "error": error, "state": one.state}
        for one in days
        for table, error in _reasons(one)
    ]


def _reasons(one: "FailedDay") -> list[tuple[str | None, str | None]]:
    return [(reason.table, reason.error) for reason in one.reasons] or [(None, None)]


def _show(days: "list[FailedDay]", as_json: bool, table: str | None = None) -> None:
    lines = [one for one in items(days) if table is None or one["table"] in (None, table)]
    if as_json:
        print_json({"items": lines})
        return
    columns = ("tenant", "day", "table", "state", "last error")
    rows = [
        (line["org"], line["day"], line["table"] or "–", line["state"], line["error"] or "–")
        for line in lines
    ]
    if lines:
        out.print(fitted(columns, rows, folded={"last error"}, optional=("state",)))
    else:
        out.print("No run has failed on such a tenant-day, and none is set aside.")
