"""Rows of a query as people and programs read them: a table, one column a line, CSV."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
from rich.table import Table
from rich.text import Text

from cli.output import fits, out, visible
from millrace.core import clock, csv_cells
from millrace.core.plain import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.answers import Answer

CRLF = "\r\n"
NOTHING = "NULL"
_NUMBERS = (int, float, Decimal)
# Beyond it even --wide breaks lines.
LONGEST_LINE = 1_000_000
# Microseconds that a fraction of a second counts, by how many digits it has.
_STEPS = {"seconds": 1_000_000, "milliseconds": 1_000, "microseconds": 1}


def text(value: object) -> str:
    """A value as text: lists and objects are written as JSON, nothing as nothing."""
    shown = plain(value)
    if shown is None:
        return ""
    if isinstance(shown, bool):
        return str(shown).lower()
    return str(shown) if isinstance(shown, str | float) else orjson.dumps(shown).decode()


def show(names: Sequence[str], rows: Sequence[Sequence[Any]], *, wide: bool, vertical: bool = False) -> None:
    """Prints rows as a table, or each by itself where the table is too wide.

    Args:
        names: of the columns.
        rows: their values.
        wide: a table however wide it is.
        vertical: each row by itself in any case.
    """
    columns = [column([row[at] for row in rows]) for at in range(len(names))]
    cells = list(zip(*columns, strict=True)) if rows else []
    heads = [visible(name) for name in names]
    if not vertical and (wide or fits(heads, cells)):
        numbers = [_are_numbers(values) for values in zip(*rows, strict=True)]
        made = Table()
        for at, head in enumerate(heads):
            right = bool(rows) and numbers[at]
            made.add_column(Text(head), no_wrap=True, overflow="fold", justify="right" if right else "left")
        for row in cells:
            made.add_row(*(Text(cell) for cell in row))
        _print_whole(made)
        return
    longest = max(map(len, heads), default=0)
    for number, row in enumerate(cells, 1):
        out.print(f"row {number}", style="bold")
        for name, cell in zip(heads, row, strict=True):
            out.print(f"  {name:<{longest}}  {cell}", markup=False)


def _print_whole(made: Table) -> None:
    """Prints a table in its own width: where that is more than the terminal's, its lines are longer than the terminal."""
    before = out._width  # noqa: SLF001  None follows the terminal; the property would fix a number
    try:
        out.width = max(out.width, out.measure(made, options=out.options.update_width(LONGEST_LINE)).maximum)
        out.print(made)
    finally:
        out._width = before  # noqa: SLF001


def column(values: Sequence[Any]) -> list[str]:
    """The values of a column, all written alike: decimals and seconds with as many digits as one of them needs."""
    places = max((_places(value) for value in values if isinstance(value, Decimal)), default=0)
    # A single digit reads as a slip where money has two.
    places = 2 if places == 1 else places
    digits = _precision([value for value in values if isinstance(value, datetime)])
    return [_cell(value, places, digits) for value in values]


def _cell(value: Any, places: int, digits: str) -> str:
    match value:
        case None:
            return NOTHING
        case Decimal() if value.is_finite():
            return f"{value:.{places}f}"
        case datetime():
            return clock.as_utc(value).astimezone(UTC).replace(tzinfo=None).isoformat(timespec=digits) + "Z"
        case _:
            return visible(text(value))


def _places(value: Decimal) -> int:
    """Digits behind the point without zeros at the end."""
    if not value.is_finite():
        return 0
    fraction = format(value, "f").partition(".")[2]
    return len(fraction.rstrip("0"))


def _precision(moments: Sequence[datetime]) -> str:
    return next(name for name, step in _STEPS.items() if all(one.microsecond % step == 0 for one in moments))


def _are_numbers(values: Sequence[Any]) -> bool:
    some = [value for value in values if value is not None]
    return bool(some) and all(isinstance(value, _NUMBERS) and not isinstance(value, bool) for value in some)


def csv(answer: "Answer") -> Iterator[str]:
    """Lines of CSV (RFC 4180) with a head; null is an empty field, an empty text is `""`, and no text is a formula."""
    yield ",".join(_field(csv_cells.cell(name)) for name in answer.names) + CRLF
    for part in answer.parts():
        for row in part:
            yield ",".join(map(_csv_cell, row)) + CRLF


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    return _field(text(value) if isinstance(value, _NUMBERS) else csv_cells.cell(text(value)))


def _field(value: str) -> str:
    plain_text = value and value == value.strip() and not set(value) & set('",\r\n')
    return value if plain_text else '"' + value.replace('"', '""') + '"'


def paged(write: "Callable[[], None]") -> None:
    """Prints what `write` prints to `out`, through the pager where the terminal has too few lines for it."""
    if not (out.is_terminal and sys.stdin.isatty()):
        write()
        return
    with out.capture() as captured:
        write()
    printed = captured.get()
    width, height = out.size
    needed = sum(max(1, -(-len(line) // width)) for line in printed.splitlines())
    command = shlex.split(os.environ.get("PAGER", "less"))
    if needed >= height and command:
        with suppress(OSError):
            # As git calls it: colours pass, a long line is not broken, and it ends where everything fits.
            environ = {"LESS": "FRSX", **os.environ}
            subprocess.run(command, input=printed.encode(), env=environ, check=False)
            return
    sys.stdout.write(printed)
    sys.stdout.flush()
