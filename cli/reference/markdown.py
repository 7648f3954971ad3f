"""Pieces of a page in Markdown."""

from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType


def page(*blocks: str) -> str:
    """A page of blocks, with an empty line between them."""
    return "\n\n".join(block.strip("\n") for block in blocks if block) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; what a cell holds is text, in which `|` is kept as it is."""
    return "\n".join([_line(head), "|" + "---|" * len(head), *map(_line, rows)])


def code(text: object) -> str:
    """A text as code; an empty one stays empty."""
    return f"`{text}`" if str(text) else ""


def listed(values: Iterable[object]) -> str:
    """Values as code, with commas."""
    return ", ".join(map(code, values))


def docstring(module: ModuleType, *paragraphs: int) -> str:
    """Paragraphs of a module's docstring, counted from 0; a table is one."""
    written = (module.__doc__ or "").strip().split("\n\n")
    return "\n\n".join(written[index] for index in paragraphs)


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(_cells(cells))} |"


def _cells(cells: Iterable[object]) -> Iterator[str]:
    return (" ".join(str(cell).split()).replace("|", "\\|") for cell in cells)
