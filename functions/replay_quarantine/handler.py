"""Edge: replays or discards refused events."""

from aws_lambda_powertools import Logger

from functions.replay_quarantine.settings import Settings
from millrace.api.guard import guard
from millrace.api.repairs import RepairsApi
from millrace.api.router import Router, routed
from millrace.core.edge import Handler, edge
from millrace.intake.assemble import intake, quarantine
from millrace.intake.replay import Replayer


@edge("replay_quarantine", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Answers one call."""
    store = quarantine(settings)
    repairs = RepairsApi(Replayer(intake(settings, log.warning), store), store)
    answers = {"POST /v1/quarantine/replay": repairs.replay, "POST /v1/quarantine/discard": repairs.discard}
    return routed(Router(answers, log.warning, guard=guard(settings, log.warning)), log)
