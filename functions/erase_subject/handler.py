"""Edge: one step of a request of a person."""

from typing import Any

from aws_lambda_powertools import Logger

from functions.erase_subject.settings import Settings
from millrace.core.edge import Event, Handler, edge, seconds_left
from millrace.core.errors import PermanentError
from millrace.people.carrying_out import carrying_out

NAME = "erase_subject"
# With less than this left, no further refused event is looked at.
SPARE_SECONDS = 120


@edge(NAME, Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Does the step that the machine asks for.

    Raises:
        PermanentError: there is no such step or request, or a value can still be read.
        MillraceError: a store did not answer; the step can be made again.
    """
    steps = carrying_out(settings)

    def step(event: Event, context: Any) -> dict[str, Any]:
        name = event["step"]
        if name not in steps:
            raise PermanentError(f"there is no step {name}")
        answer = steps[name](event, seconds_left(context, SPARE_SECONDS))
        log.info("step", extra={"step": name, "org": event["org"], "requestId": event["requestId"]})
        return answer

    return step
