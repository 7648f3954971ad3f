"""`millrace query`: SQL over the lake, on DuckDB."""

from typing import Annotated

import orjson
import typer
from rich.markup import escape

from cli.lake import rows
from cli.options import Env, Json
from cli.output import err, out, plain, print_json, table
from cli.target import find_target

SHOWN = 200


def query(
    sql: Annotated[
        str,
        typer.Argument(help="One statement, such as: select event_type, count(*) from raw.events group by 1"),
    ],
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Query raw.events, silver, gold, marts and ml_features; `AS OF` a snapshot or time behind a table reads its past."""
    target = find_target(env)
    with err.status("querying …"):
        names, result = rows(target, sql)
    if as_json:
        print_json([dict(zip(names, row, strict=True)) for row in result])
        return
    shown = table(*map(escape, names))
    for row in result[:SHOWN]:
        shown.add_row(*(escape(text(value)) for value in row))
    out.print(shown)
    out.print(f"{len(result)} rows" + (f", the first {SHOWN} are shown" if len(result) > SHOWN else ""))


def text(value: object) -> str:
    """A cell: lists and objects are written as JSON."""
    shown = plain(value)
    if shown is None:
        return ""
    return str(shown) if isinstance(shown, str | bool | float) else orjson.dumps(shown).decode()
