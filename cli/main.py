"""The `millrace` command.

Exit codes: 0 done, 1 refused or a check failed, 2 usage, 3 no platform. An error is one plain sentence.
"""

import os
import sys
import traceback
from collections.abc import Sequence

import typer
from typer.exceptions import TyperException

from cli.commands import contracts, fraud, keys, models, pending, quarantine
from cli.commands.backtest import backtest
from cli.commands.cost import cost
from cli.commands.doctor import doctor
from cli.commands.etl import etl
from cli.commands.preflight import preflight
from cli.commands.query import query
from cli.commands.rebuild import rebuild
from cli.commands.reconcile import reconcile
from cli.commands.redrive import redrive
from cli.commands.seed import seed
from cli.commands.send import send
from cli.commands.status import status
from cli.commands.trace import trace
from cli.commands.train import train
from cli.errors import CommandError, NoPlatformError
from cli.local.commands import down, up
from cli.output import complain, print_json

STOPPED = 130

app = typer.Typer(
    name="millrace",
    help="An event data platform that a team owns. Start one on this machine with: make up",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for _command in (
    up,
    down,
    status,
    send,
    seed,
    trace,
    etl,
    query,
    backtest,
    cost,
    doctor,
    preflight,
    rebuild,
    reconcile,
    redrive,
    train,
):
    app.command()(_command)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(pending.app, name="pending")
app.add_typer(keys.app, name="keys")
app.add_typer(fraud.app, name="fraud")
app.add_typer(contracts.app, name="contracts")
app.add_typer(models.app, name="models")


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
