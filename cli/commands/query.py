"""`millrace query`: SQL over the lake, on DuckDB."""

from typing import Annotated

import orjson
import typer

from cli.lake import rows
from cli.options import Env, Json
from cli.output import counted, err, fits, fitted, out, plain, print_json
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
    """Query raw.events, silver, gold, marts and ml_features; `AS OF` a snapshot or time after a table reads its past."""
    target = find_target(env)
    with err.status("querying …"):
        names, result = rows(target, sql)
    if as_json:
        print_json([dict(zip(names, row, strict=True)) for row in result])
        return
    _show(names, [[text(value) for value in row] for row in result[:SHOWN]])
    out.print(counted(len(result), "row") + (f", the first {SHOWN} are shown" if len(result) > SHOWN else ""))


def _show(names: list[str], cells: list[list[str]]) -> None:
    """Prints a table where the terminal is wide enough for it; otherwise each row by itself, a line for each column."""
    if fits(names, cells):
        out.print(fitted(names, cells, folded=()))
        return
    longest = max(map(len, names))
    for number, row in enumerate(cells, 1):
        out.print(f"row {number}", style="bold")
        for name, cell in zip(names, row, strict=True):
            out.print(f"  {name:<{longest}}  {cell}", markup=False)


def text(value: object) -> str:
    """A cell: lists and objects are written as JSON."""
    shown = plain(value)
    if shown is None:
        return ""
    return str(shown) if isinstance(shown, str | bool | float) else orjson.dumps(shown).decode()
