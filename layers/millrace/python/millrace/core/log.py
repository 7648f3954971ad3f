"""One JSON log line an invocation, and one for what goes wrong. Nothing is logged per event on the accept path.

The line of each invocation also serves the local emulator, which waits 50 ms for a first one.
"""

from functools import cache

from aws_lambda_powertools import Logger


@cache
def logger(service: str, level: str = "INFO") -> Logger:
    """The structured logger of a function; `service` is the function's stem."""
    return Logger(service=service, level=level)
