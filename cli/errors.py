"""How a command ends other than well: one plain sentence and the exit code that scripts rely on."""


class CommandError(Exception):
    """Ends the command with its message on standard error; no traceback."""

    exit_code = 1


class RefusedError(CommandError):
    """The platform refused, or a check failed."""


class UsageError(CommandError):
    """The command was called in a way it cannot follow."""

    exit_code = 2


class NoPlatformError(CommandError):
    """There is no platform to talk to; the message says how to start one."""

    exit_code = 3
