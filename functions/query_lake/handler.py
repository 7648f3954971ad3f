"""Edge: SQL over the lake, of callers of the API and of operators who may invoke the function; and tables about nobody."""

from typing import Any

from aws_lambda_powertools import Logger

from functions.query_lake.settings import Settings
from millrace.anonymised.assemble import releases
from millrace.api.anonymised import AnonymisedApi
from millrace.api.guard import guard
from millrace.api.query import QueryApi
from millrace.api.router import Router, routed
from millrace.core.edge import Event, Handler, edge, seconds_left
from millrace.queries import assemble
from millrace.queries.invocation import answer_operator

# Of an invocation: to write the audit, and to answer.
SPARE_SECONDS = 10.0


@edge("query_lake", Settings)
def handler(settings: Settings, log: Logger) -> Handler:
    """Answers a call of the API; an invocation without a route is an operator's."""
    queries = assemble.queries(settings)
    api = QueryApi(queries, assemble.numbers(settings))
    anonymised = AnonymisedApi(releases(settings))
    answers = {
        "POST /v1/query": api.ask,
        "DELETE /v1/query/{id}": api.cancel,
        "GET /v1/anonymised": anonymised.list,
        "GET /v1/anonymised/{name}": anonymised.get,
        "POST /v1/anonymised/{name}": anonymised.release,
    }
    call = routed(Router(answers, log.warning, guard=guard(settings, log.warning)), log)

    def answer(event: Event, context: Any) -> dict[str, Any]:
        if "routeKey" in event:
            answered: dict[str, Any] = call(event, context)
            return answered
        log.info("operator")
        return answer_operator(queries, event, seconds_left(context, SPARE_SECONDS)())

    return answer
