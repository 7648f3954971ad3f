"""`millrace query`: one statement of SQL over the lake, which the platform runs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import results, tenants
from cli.errors import UsageError
from cli.lake import Lake
from cli.options import Env, Json
from cli.output import counted, err, out, print_json, visible
from cli.target import Target, find_target
from millrace.queries.references import SCHEMAS
from millrace.queries.tokens import words

if TYPE_CHECKING:
    from cli.answers import Answer

SHOWN = 200

Org = Annotated[
    str | None,
    typer.Option("--org", help="Only the rows of this tenant, in every table that the statement names."),
]
AllTenants = Annotated[
    bool, typer.Option("--all-tenants", help="The rows of all tenants, which the tables hold together.")
]
Wide = Annotated[
    bool, typer.Option("--wide", help="A table even where it is wider than the terminal: long lines.")
]


def query(
    sql: Annotated[
        str,
        typer.Argument(
            help="One statement, such as: select event_type, count(*) from raw.events group by 1; or: show tables"
        ),
    ],
    *,
    wide: Wide = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV (RFC 4180) on standard output.")] = False,
    parquet: Annotated[Path | None, typer.Option("--parquet", help="Write a Parquet file.")] = None,
    org: Org = None,
    all_tenants: AllTenants = False,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Query raw.events, silver, gold, marts and ml_features; `AS OF` a snapshot or time after a table reads its past.

    Nothing is changed. With --org, or with a tenant's key in MILLRACE_API_KEY, every table has that tenant's rows alone.
    """
    if as_csv + wide + (parquet is not None) > 1 or (as_json and (as_csv or wide)):
        raise UsageError("--json, --csv, --parquet and --wide exclude each other")
    target = find_target(env)
    chosen = chosen_tenant(target, org, all_tenants=all_tenants)
    spinner = err.status("querying …")
    spinner.start()
    try:
        with Lake(target, chosen) as lake:
            if parquet is not None:
                written = lake.save(sql, parquet)
                spinner.stop()
                if as_json:
                    print_json({"rows": written, "file": str(parquet)})
                else:
                    out.print(f"{counted(written, 'row')} in {parquet}", markup=False)
            else:
                with lake.ask(sql) as answer:
                    spinner.stop()
                    _write(answer, as_json=as_json, as_csv=as_csv, wide=wide)
        if chosen is None and not (as_json or all_tenants):
            _say_whose(target, sql)
    finally:
        spinner.stop()


def _write(answer: "Answer", *, as_json: bool, as_csv: bool, wide: bool) -> None:
    if as_json:
        write_json(answer)
    elif as_csv:
        lines = results.csv(answer)
        if sys.stdout.isatty():
            # A file gets the bytes; a terminal would obey some of them.
            lines = (f"{visible(line.removesuffix(results.CRLF))}\n" for line in lines)
        sys.stdout.writelines(lines)
        sys.stdout.flush()
    else:
        rows, more = first(answer)
        results.paged(lambda: show(answer.names, rows, more, wide=wide))


def chosen_tenant(target: Target, org: str | None, *, all_tenants: bool) -> str | None:
    """The tenant whose rows are read; None for all of them.

    Raises:
        UsageError: `--org` and `--all-tenants` together, or `--all-tenants` with a key or a sign-in; or as `tenants.only`.
    """
    if all_tenants:
        if org is not None:
            raise UsageError("--org and --all-tenants exclude each other")
        tenants.check_all(target)
        return None
    return tenants.only(target, org)


def several(target: Target) -> str:
    """A sentence on the tenants whose rows are read together; empty where there is only one."""
    known = tenants.existing(target)
    if len(known) < 2:
        return ""
    return f"rows of {len(known)} tenants: {', '.join(known)}; --org chooses one, --all-tenants says that all are meant"


def _say_whose(target: Target, sql: str) -> None:
    named = {token.name for token in words(sql) if token.is_name}
    # Who filters or groups by tenant has chosen.
    is_chosen = named & {"org_id", "org"} or not named & set(SCHEMAS)
    if not is_chosen and (sentence := several(target)):
        err.print(sentence, style="yellow", markup=False)


def first(answer: "Answer") -> tuple[list[tuple[Any, ...]], int]:
    """The rows that are shown, and how many others there are."""
    rows: list[tuple[Any, ...]] = []
    more = 0
    for part in answer.parts():
        room = SHOWN - len(rows)
        rows += part[:room]
        more += max(0, len(part) - room)
    return rows, more


def show(
    names: list[str], rows: list[tuple[Any, ...]], more: int, *, wide: bool, vertical: bool = False
) -> None:
    """Prints the first rows and how many there are."""
    results.show(names, rows, wide=wide, vertical=vertical)
    shown = f", the first {SHOWN} are shown; --csv and --json give all" if more else ""
    out.print(counted(len(rows) + more, "row") + shown)


def write_json(answer: "Answer") -> None:
    """Writes all rows as one array of objects."""
    print_json([dict(zip(answer.names, row, strict=True)) for row in answer.rows()])
