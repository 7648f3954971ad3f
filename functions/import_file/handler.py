"""Edge: one step of the import of a file."""

from typing import Any

from aws_lambda_powertools import Logger

from functions.import_file.settings import Settings
from millrace.core import clock
from millrace.core.edge import Event, Handler, edge, seconds_left
from millrace.core.errors import PermanentError
from millrace.imports.assemble import importing
from millrace.imports.jobs import Import

NAME = "import_file"
# A group of rows that was begun ends within this, also where batches of it are tried again.
SPARE_SECONDS = 180


@edge(NAME, Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Does the step that the machine asks for; the answer says whose import it is, which, and how it stands.

    Raises:
        PermanentError: there is no such step.
        MillraceError: a store did not answer; the step can be made again.
    """
    imports = importing(settings, rows_per_second=settings.rows_per_second, log=log.warning)

    def step(event: Event, context: Any) -> dict[str, Any]:
        name, one = event["step"], None
        if name == "begin":
            one = imports.begin(event["key"], event["etag"], clock.parse(event["time"]))
        elif name == "keep":
            one = imports.keep(event["org"], event["importId"], event["key"], event["etag"])
        elif name == "take":
            one = imports.take(event["org"], event["importId"], seconds_left(context, SPARE_SECONDS))
        elif name == "fail":
            one = imports.fail(event["org"], event["importId"], event["message"])
        else:
            raise PermanentError(f"there is no step {name}")
        answer = _answer(one)
        log.info("step", extra={"step": name, **answer})
        return answer

    return step


def _answer(one: Import | None) -> dict[str, Any]:
    if one is None:
        return {"state": "none"}
    return {"org": one.org, "importId": one.import_id, "state": one.state, "rows": one.rows}
