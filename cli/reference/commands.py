"""Every command of `millrace`, as its own help shows it in 80 columns."""

from collections.abc import Iterator
from typing import Any

import typer

from cli.commands import COMMANDS, VARIABLES
from cli.main import app
from cli.reference.markdown import code, page, table

COLUMNS = 80


def commands() -> str:
    """The page."""
    group: Any = typer.main.get_command(app)
    blocks = []
    for heading, entries in COMMANDS.items():
        blocks.append(f"## {heading}")
        for name in entries:
            blocks += _blocks(f"millrace {name}", group.load(name), "###")
    return page(
        "# Commands",
        "`make` starts what a checkout needs (`make help`); `millrace` in `.venv/bin` does the rest. `--json` gives one JSON document on the "
        "last line; [exit codes](codes.md#exit-codes-of-millrace) are the same for all.",
        *blocks,
        "## Variables of the environment",
        table(("variable", "is"), ((code(name), text) for name, text in VARIABLES.items())),
    )


def _blocks(name: str, command: Any, level: str) -> Iterator[str]:
    yield f"{level} {name}"
    context = command.context_class(
        command, info_name=name, terminal_width=COLUMNS, max_content_width=COLUMNS
    )
    yield f"```text\n{command.get_help(context)}\n```"
    for inner, one in sorted(getattr(command, "commands", {}).items()):
        yield from _blocks(f"{name} {inner}", one, f"{level}#")
