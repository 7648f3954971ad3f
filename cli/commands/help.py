"""`millrace help`: the help of any command, as `--help` shows it."""

from typing import Annotated, Any

import typer

from cli.errors import UsageError


def help(  # noqa: A001  the command's name
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(help="The command, such as `quarantine replay`.", metavar="[COMMAND]..."),
    ] = None,
) -> None:
    """Show the help of a command, or the list of all commands."""
    here: Any = ctx.find_root()
    for word in words or []:
        group = here.command
        load = getattr(group, "load", None)
        command = load(word) if load else getattr(group, "commands", {}).get(word)
        if command is None:
            raise UsageError(f"there is no command {' '.join(words or [])}; millrace help lists all")
        here = typer.Context(command, info_name=word, parent=here)
    typer.echo(here.get_help())
