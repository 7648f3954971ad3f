"""Output of commands: text and tables for people, one JSON document for programs."""

import json
import os
import re
import sys
import textwrap
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import orjson
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from millrace.core.plain import plain

# A pipe or a log has no width; rich would assume 80 columns and break what a person wants to copy.
WIDTH_OF_PIPES = 160
# Control characters, line separators and marks of direction (Unicode, Bidirectional Algorithm, 2: explicit marks).
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_BEYOND_ASCII = re.compile("[^\x00-\x7f]+")
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
# A folded column stays readable with so many characters a line.
FOLDED_WIDTH = 12


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    known = (stream is not None and stream.isatty()) or "COLUMNS" in os.environ
    return Console(stderr=stderr, highlight=False, soft_wrap=True, width=None if known else WIDTH_OF_PIPES)


out = _console(stderr=False)
"""For results."""
err = _console(stderr=True)
"""For progress and errors, so that standard output holds results only."""


def table(*columns: str, title: str | None = None) -> Table:
    """A table that breaks cells too long for a line instead of truncating them."""
    made = Table(title=title, title_justify="left")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def fitted(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    folded: Collection[str],
    optional: Sequence[str] = (),
    title: str | None = None,
) -> Table:
    """A table whose ids and times stay on one line each, as far as the terminal is wide enough for them.

    Args:
        columns: the headings.
        rows: a cell for each column; plain text, no markup.
        folded: columns of free text, which alone are broken over several lines.
        optional: columns that are left out while the table is too wide, the least important first.
        title: stands above the table.
    """
    widths = _widths(columns, rows)
    widths |= {name: min(widths[name], FOLDED_WIDTH) for name in folded}
    shown = list(columns)
    for name in optional:
        if _width(widths[column] for column in shown) > out.width:
            shown.remove(name)
    unbroken = _width(widths[column] for column in shown) <= out.width
    made = Table(title=title, title_justify="left")
    for name in shown:
        made.add_column(Text(name), overflow="fold", no_wrap=unbroken and name not in folded)
    for row in rows:
        made.add_row(*(Text(cell) for name, cell in zip(columns, row, strict=True) if name in shown))
    return made


def show_rows(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, folded: Collection[str] = (), head: int = 2
) -> None:
    """Prints a table, or, where the terminal is too narrow for all of it, some lines for each row: nothing is left out and no word is broken.

    Args:
        columns: the headings.
        rows: a cell for each column; plain text, no markup.
        folded: columns of free text, which alone are broken over several lines of a table, between words.
        head: how many cells begin the lines of a row, without their headings.
    """
    widths = _widths(columns, rows)
    words = _widths(columns, [[cell.replace(" ", "\n") for cell in row] for row in rows])
    widths |= {name: min(widths[name], max(words[name], FOLDED_WIDTH)) for name in folded}
    if _width(widths.values()) <= out.width:
        out.print(fitted(columns, rows, folded=folded))
        return
    for row in rows:
        cells = [f"{name} {cell}" for name, cell in zip(columns[head:], row[head:], strict=True) if cell]
        for line in (*wrapped("  ".join(filter(None, row[:head]))), *wrapped("; ".join(cells), "  ")):
            out.print(line, markup=False)


def fits(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a table with all of these columns needs no cell broken."""
    return _width(_widths(columns, rows).values()) <= out.width


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, int]:
    cells = zip(*rows, strict=True) if rows else [()] * len(columns)
    return {
        name: max(cell_len(line) for cell in (name, *below) for line in cell.split("\n"))
        for name, below in zip(columns, cells, strict=True)
    }


def _width(columns: Iterable[int]) -> int:
    """Of a table: each column has a space on both sides and a line on the left, and a last line closes the table."""
    return sum(width + 3 for width in columns) + 1


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: `1 row`, `2 rows`, `1,000 rows`; `plural` where it is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def wrapped(text: str, indent: str = "", hang: str = "") -> list[str]:
    """Lines that fit the terminal, broken between words only: ids and paths stay whole."""
    return textwrap.wrap(
        text,
        width=out.width,
        initial_indent=indent,
        subsequent_indent=indent + hang,
        break_long_words=False,
        break_on_hyphens=False,
    )


def visible(value: str) -> str:
    """A text of somebody else on one line, with what would steer the terminal or turn its direction written out."""
    return _STEERING.sub(lambda match: _ESCAPES.get(match[0], f"\\u{ord(match[0]):04x}"), value)


def print_json(document: Any) -> None:
    """Writes one JSON document as the last line of standard output."""
    text = orjson.dumps(plain(document)).decode("utf-8")
    if not (sys.stdout.encoding or "utf-8").lower().startswith("utf"):
        # Beyond ASCII there are only characters of texts, and JSON has an escape for each.
        text = _BEYOND_ASCII.sub(lambda match: json.dumps(match[0])[1:-1], text)
    # JSON's own escapes leave some that would steer a terminal.
    text = _STEERING.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(message: str) -> None:
    """Writes an error for a person."""
    err.print(message, style="red", markup=False)
