"""The `millrace` command.

The exit codes are in `cli.commands`. An error is one plain sentence.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from cli.commands import Commands
from cli.errors import CommandError, NoPlatformError
from cli.output import complain, print_json
from millrace import __version__

STOPPED = 130

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
) -> None:
    """An event data platform that a team owns. Start one on this machine with: make up"""  # noqa: D415  ends with the command


def run(arguments: Sequence[str]) -> int:
    """Runs a command line and returns its exit code."""
    as_json = "--json" in arguments
    try:
        code = app(args=list(arguments), prog_name="millrace", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = STOPPED
    except TyperException as error:
        return _end(as_json, error.format_message(), error.exit_code)
    except CommandError as error:
        return _end(as_json, str(error), error.exit_code)
    except BrokenPipeError:
        # The reader of our output closed it, such as `head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001  a user sees a sentence, never a traceback
        return _unexpected(as_json, error)
    if code == STOPPED:
        complain("stopped")
    return code if isinstance(code, int) else 0


def _end(as_json: bool, sentence: str, code: int) -> int:
    if sentence:
        complain(sentence)
        if as_json:
            print_json({"error": sentence})
    return code


def _unexpected(as_json: bool, error: Exception) -> int:
    """An error that no command handles: from AWS, from our own code, or a bug of the command."""
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        ConnectTimeoutError,
        EndpointConnectionError,
        NoCredentialsError,
    )

    from millrace.core.errors import MillraceError

    if os.environ.get("MILLRACE_TRACEBACK"):
        traceback.print_exception(error)
    match _first(error):
        case EndpointConnectionError() | ConnectTimeoutError() as error:
            return _end(
                as_json,
                f"the platform does not answer: {error}. Start a local one with: make up",
                NoPlatformError.exit_code,
            )
        case NoCredentialsError():
            return _end(
                as_json,
                "no AWS credentials were found; a local platform needs none: make up",
                NoPlatformError.exit_code,
            )
        case ClientError() | BotoCoreError() | MillraceError():
            return _end(as_json, str(error), 1)
        case _:
            sentence = f"{type(error).__name__}: {error}"
            return _end(as_json, f"{sentence} (a bug of this command; MILLRACE_TRACEBACK=1 shows where)", 1)


def _first(error: BaseException) -> BaseException:
    """The failed connection that caused an error; the error itself where none did."""
    from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, EndpointConnectionError | ConnectTimeoutError):
            break
        cause = cause.__cause__
    return error if cause is None else cause


def main() -> None:
    """The entry point of `millrace`."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
