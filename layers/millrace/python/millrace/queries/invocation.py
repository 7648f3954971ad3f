"""Queries of an operator, who invokes the function itself: the right to do so is AWS's, `lambda:InvokeFunction`."""

from collections.abc import Mapping
from typing import Any

import orjson

from millrace.core.errors import MillraceError
from millrace.queries.errors import QueryError
from millrace.queries.reader import operator
from millrace.queries.service import MOST_ROWS, Queries, Question

# As an error of a store, which another try may not have.
UNAVAILABLE = "unavailable"


def answer_operator(queries: Queries, event: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Answers one invocation.

    Args:
        queries: who answers.
        event: `{"sql", "limit", "format", "id", "org"}`, without `org` of all tenants; or `{"cancel": id, "org"}`.
        seconds: how long the query may take.

    Returns:
        `{"body": text}`, JSON as `Queries.ask` has it, `{"cancelled": bool}`, or `{"error": code, "message"}`. As text, because
        Lambda would write numbers its own way.
    """
    return {"body": orjson.dumps(_answer(queries, event, seconds)).decode()}


def _answer(queries: Queries, event: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    reader = operator(str(event.get("org") or ""))
    try:
        if "cancel" in event:
            return {"cancelled": queries.cancel(reader, str(event["cancel"]))}
        question = Question(
            sql=str(event.get("sql", "")),
            limit=int(event.get("limit", MOST_ROWS)),
            format=event.get("format", "rows"),
            id=str(event.get("id", "")),
        )
        return queries.ask(reader, question, seconds)
    except QueryError as error:
        return {"error": error.code, "message": str(error)}
    except MillraceError as error:
        return {"error": UNAVAILABLE, "message": str(error)}
