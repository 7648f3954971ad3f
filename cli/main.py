"""The `millrace` command.

The exit codes are in `cli.commands`. An error is one plain sentence.
"""

import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from cli import failures
from cli.commands import Commands
from cli.errors import CommandError
from cli.output import complain, print_json
from millrace import __version__

app = typer.Typer(
    name="millrace",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"millrace {__version__}")
        raise typer.Exit


@app.callback()
def millrace(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")
    ] = False,
) -> None:
    """An event data platform that a team owns. Start one on this machine with: make up"""  # noqa: D415  ends with the command


def run(arguments: Sequence[str]) -> int:
    """Runs a command line and returns its exit code."""
    as_json, debug = "--json" in arguments, failures.debugging(arguments)
    arguments = [one for one in arguments if one != "--debug"]
    try:
        code = app(args=arguments, prog_name="millrace", standalone_mode=False)
        failures.flush()
    except (KeyboardInterrupt, typer.Abort):
        code = failures.STOPPED
    except TyperException as error:
        # What a choice refuses is worded by pydantic.
        return _end(as_json, error.format_message().replace("Value error, ", ""), error.exit_code)
    except CommandError as error:
        return _end(as_json, str(error), error.exit_code)
    except (BrokenPipeError, SystemExit) as error:
        # The reader of our output closed it, such as `head`; within a command that has become an exit.
        if not isinstance(error, BrokenPipeError) and not isinstance(error.__context__, BrokenPipeError):
            raise
        failures.abandon(sys.stdout)
        return 0
    except Exception as error:  # noqa: BLE001  a user sees a sentence, never a traceback
        if debug:
            traceback.print_exception(error)
        return _end(as_json, *failures.sentence(error, arguments))
    if code == failures.STOPPED:
        complain("stopped")
    return code if isinstance(code, int) else 0


def _end(as_json: bool, sentence: str, code: int) -> int:
    if sentence:
        complain(sentence)
        if as_json:
            print_json({"error": sentence})
    return code


def main() -> None:
    """The entry point of `millrace`."""
    failures.secure_streams()
    try:
        code = run(sys.argv[1:])
    except OSError:
        # Not even an error can be written.
        failures.abandon(sys.stdout, sys.stderr)
        code = 1
    sys.exit(code)


if __name__ == "__main__":
    main()
