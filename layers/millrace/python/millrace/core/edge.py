"""What Lambda calls: the handler of a function, with what one copy of the function keeps from call to call.

`functions/<stem>/handler.py` says how a copy starts: it decorates a function that puts the capability together from the
settings and returns what answers a call. Nothing starts at import: the environment is read, and clients are made, at the
first call.
"""

import gc
import os
from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, TypeVar

from aws_lambda_powertools import Logger

from millrace.core.log import logger
from millrace.core.settings import FunctionSettings

Event = dict[str, Any]
Handler = Callable[[Event, Any], Any]
"""Answers one call: Lambda's event and context → the answer, as JSON has it."""
Around = Callable[[Event, Callable[[], Any]], Any]
S = TypeVar("S", bound=FunctionSettings)


class Edge(Generic[S]):
    """A function's handler: starts at the first call, and answers that and every later one."""

    def __init__(
        self, name: str, settings: type[S], start: Callable[[S, Logger], Handler], around: Around | None
    ) -> None:
        """As `edge` describes them."""
        self.name, self._settings, self._start, self._around = name, settings, start, around

    def __call__(self, event: Event, context: Any) -> Any:
        if self._around is None:
            return self.started(event, context)
        return self._around(event, lambda: self.started(event, context))

    @cached_property
    def started(self) -> Handler:
        """The answering part, with the capability behind it. `functions` has turned the garbage collector off until it is there.

        Raises:
            PermanentError: a setting is missing or wrong.
        """
        try:
            settings = self._settings.from_environment(os.environ)
            return self._start(settings, logger(self.name, settings.log_level))
        finally:
            if not gc.isenabled():
                gc.freeze()
                gc.enable()

    def restarted(self) -> "Edge[S]":
        """The handler as a new copy of the function has it: nothing is kept from earlier calls."""
        return Edge(self.name, self._settings, self._start, self._around)


def seconds_left(context: Any, spare: float = 0.0) -> Callable[[], float]:
    """How many seconds an invocation has left, less the spare ones, whenever it is asked."""
    return lambda: context.get_remaining_time_in_millis() / 1000 - spare


def edge(
    name: str, settings: type[S], *, around: Around | None = None
) -> Callable[[Callable[[S, Logger], Handler]], Edge[S]]:
    """Makes a handler of the function that starts a copy.

    Args:
        name: the function's stem, also in its log.
        settings: what is read from the environment.
        around: is called with the event and the call, and answers in its place, for a caller that needs an answer even if
            the copy cannot start.
    """
    return lambda start: Edge(name, settings, start, around)
