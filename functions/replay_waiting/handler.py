"""Edge: a deploy has brought other contracts, so the events that waited for one are sent through intake again."""

import os
from typing import Any

from millrace.access.credentials import orgs
from millrace.core import clock
from millrace.core.aws import client
from millrace.core.custom_resource import ANSWER_SECONDS, respond
from millrace.core.errors import MillraceError
from millrace.core.log import logger
from millrace.intake.assemble import intake, quarantine
from millrace.intake.replay import Replayer
from millrace.intake.waiting import replay_waiting
from settings import Settings

NAME = "replay_waiting"


def handler(event: dict[str, Any], context: Any) -> None:
    """Replays on Create and Update. What fails is logged and stays open: it never fails the deploy."""
    respond(event, lambda: _replay(event, context))


def _replay(event: dict[str, Any], context: Any) -> dict[str, str]:
    settings = Settings.from_environment(os.environ)
    log = logger(NAME, settings.log_level)
    store = quarantine(settings)
    known = set(filter(None, settings.bound_orgs.split(",")))
    try:
        known |= set(orgs(client("dynamodb"), settings.metadata_table))
    except MillraceError as error:
        log.warning(str(error))
    report = replay_waiting(
        Replayer(intake(settings, log.warning), store),
        sorted(known),
        request_id=str(event["RequestId"]),
        now=clock.now(),
        seconds_left=lambda: context.get_remaining_time_in_millis() / 1000 - ANSWER_SECONDS,
        log=log.warning,
    )
    log.info("replayed", extra={"report": report})
    return {name: str(count) for name, count in report.items()}
