"""What a person is told of an error that no command handles: a sentence with the way out, or where the bug's report lies."""

import errno
import os
import platform
import re
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from socket import gaierror
from typing import TextIO
from urllib.parse import urlsplit

from cli.errors import CommandError, NoPlatformError
from cli.output import complain
from cli.places import checkout
from millrace import __version__

STOPPED = 130
"""The exit code after Ctrl-C, as of a shell."""
_KEY = re.compile(r"mk_[A-Za-z0-9_-]+")
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space and run the same again",
    errno.EDQUOT: "the disk quota is used up: free some space and run the same again",
    errno.EROFS: "the disk is read-only: mount it for writing, or name a file elsewhere",
    errno.EACCES: "permission denied: look at who owns it (ls -l), or name a file elsewhere",
    errno.EPERM: "permission denied: look at who owns it (ls -l), or name a file elsewhere",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n 4096)",
    errno.ENOENT: "there is no such file or folder",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "it is a folder, not a file",
}


def exit_code(program: Callable[[], int | None]) -> int:
    """Runs the program of a make target; an error is a sentence and its exit code."""
    try:
        return program() or 0
    except CommandError as error:
        complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return STOPPED


def debugging(arguments: Sequence[str]) -> bool:
    """Whether tracebacks are wanted: `--debug`, or MILLRACE_DEBUG."""
    return "--debug" in arguments or os.environ.get("MILLRACE_DEBUG", "0") not in ("", "0")


def sentence(error: Exception, arguments: Sequence[str]) -> tuple[str, int]:
    """What to say of an error, and the exit code; of a bug a report is written that the sentence names."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

    from millrace.core.errors import MillraceError

    if connection := _connection(error):
        return connection, NoPlatformError.exit_code
    match error:
        case NoCredentialsError():
            return (
                "no AWS credentials were found; a local platform needs none: make up",
                NoPlatformError.exit_code,
            )
        case NoRegionError():
            return "there is no region: set AWS_REGION, or one in your profile", NoPlatformError.exit_code
        case ClientError() | BotoCoreError() | MillraceError():
            return str(error), 1
        case MemoryError():
            return "there is not enough memory: end other programs, or take fewer rows", 1
        case OSError() if error.errno in _REMEDIES:
            return f"{f'{error.filename}: ' if error.filename else ''}{_REMEDIES[error.errno]}", 1
        case _:
            return _bug(error, arguments), 1


def _connection(error: Exception) -> str:
    """Which host does not answer, and what to do; empty where no connection failed."""
    from botocore.exceptions import ConnectionError as AwsConnectionError
    from botocore.exceptions import HTTPClientError
    from urllib3.exceptions import HTTPError

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AwsConnectionError | HTTPClientError):
            address = str(cause.kwargs.get("proxy_url") or cause.kwargs.get("endpoint_url") or "")
            return _unanswered(address, str(cause))
        if isinstance(cause, ConnectionError | TimeoutError | gaierror | HTTPError):
            return f"the platform does not answer: {cause}. Start a local one with: make up"
        cause = cause.__cause__
    return ""


def _unanswered(address: str, message: str) -> str:
    host = urlsplit(address).hostname or ""
    if host.endswith("localhost") or host in _HERE:
        return f"the platform does not answer at {address}. Start a local one with: make up"
    remedy = "check the network, the proxy (HTTPS_PROXY) and the region (AWS_REGION); a local platform is started with: make up"
    return f"{host or 'AWS'} does not answer: {message.rstrip('.')}; {remedy}"


def _bug(error: Exception, arguments: Sequence[str]) -> str:
    said = f"this is a bug of millrace: {type(error).__name__}: {' '.join(str(error).split())}"
    text = "\n".join(
        [
            f"command: {shlex.join(['millrace', *arguments])}",
            f"version: {__version__}",
            f"python: {platform.python_version()} on {platform.platform()}",
            "",
            *traceback.format_exception(error),
        ]
    )
    for folder in (checkout().log, Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix="bug-", suffix=".txt", dir=folder)
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(_KEY.sub("mk_…", text))
        except OSError:
            continue
        return f"{said}. Please report it with {name}; --debug shows the traceback here"
    return f"{said}. Please report it with the traceback, which --debug shows"


def secure_streams() -> None:
    """Makes standard streams that take any text: closed ones lead nowhere, and a locale that lacks a character has it escaped."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123  as long as the process
        elif mode == "w" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def flush() -> None:
    """Writes what is left of standard output.

    Raises:
        OSError: it could not be written; nothing is written at the exit again.
    """
    try:
        sys.stdout.flush()
    except OSError:
        abandon(sys.stdout)
        raise


def abandon(*streams: TextIO) -> None:
    """Leads streams nowhere, so that what is left in them is not an error at the exit."""
    for stream in streams:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
