"""Edge: fraud decisions on request."""

from aws_lambda_powertools import Logger

from functions.predict.settings import Settings
from millrace.api.fraud import PredictApi
from millrace.api.guard import guard
from millrace.api.router import Router, routed
from millrace.contracts import registry
from millrace.core.edge import Handler, edge
from millrace.fraud import assemble


@edge("predict", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Answers one call."""
    api = PredictApi(assemble.predictor(settings, log.warning), registry.load())
    answers = {"POST /v1/predict": api.one, "POST /v1/predict/batch": api.batch}
    return routed(Router(answers, log.warning, guard=guard(settings, log.warning)), log)
