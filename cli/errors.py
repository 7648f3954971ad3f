"""Errors that end a command: one plain sentence and the exit code that scripts rely on."""


class CommandError(Exception):
    """Ends the command with its message on standard error; no traceback."""

    exit_code = 1


class RefusedError(CommandError):
    """The platform refused, or a check failed."""


class UsageError(CommandError):
    """The command was called with wrong arguments."""

    exit_code = 2


class NoPlatformError(CommandError):
    """No platform can be reached; the message says how to start one."""

    exit_code = 3
