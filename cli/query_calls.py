"""How a query reaches the function that runs it: through the API with a key, or by AWS's right to invoke it."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from cli.answers import exactly
from cli.api import TRIES, Api, pause
from cli.errors import CommandError, RefusedError, UsageError
from cli.target import Target

PATH = "/v1/query"
# The function's own time, and some to start.
_OPERATOR_SECONDS = 330
# Another try may be answered otherwise.
_PASSING = frozenset({"busy", "unavailable"})
_WORDS: Mapping[str, type[CommandError]] = {"sql": UsageError}
Ask = Callable[[Mapping[str, Any]], dict[str, Any]]
"""A question → its answer; raises a `CommandError` in words."""
Cancel = Callable[[str], None]
"""The id of a running query → told to end."""


def by_api(api: Api) -> tuple[Ask, Cancel]:
    """Calls of `POST /v1/query` and `DELETE /v1/query/{id}`."""

    def ask(question: Mapping[str, Any]) -> dict[str, Any]:
        body, sentence = orjson.dumps(dict(question)), ""
        for attempt in range(1, TRIES + 1):
            retry_after = None
            try:
                answer = api.call("POST", PATH, body=body, parse=exactly)
            except ConnectionResetError as error:
                sentence = str(error)
            else:
                document = answer.document if isinstance(answer.document, dict) else {}
                if answer.status < 300 and document:
                    return document
                if answer.status not in (429, 502, 503, 504):
                    if "code" in document:
                        raise _WORDS.get(str(document["code"]), RefusedError)(answer.sentence)
                    raise api.refusal(answer)
                sentence, retry_after = answer.sentence, answer.retry_after
            if attempt < TRIES:
                time.sleep(pause(attempt, retry_after))
        raise RefusedError(f"the platform did not answer the query in {TRIES} tries: {sentence}")

    return ask, lambda query: _forget(api.call("DELETE", f"{PATH}/{query}"))


def by_operator(target: Target, org: str | None) -> tuple[Ask, Cancel]:
    """Invocations of the function, for one tenant or for all."""

    def invoke(document: Mapping[str, Any]) -> dict[str, Any]:
        # Of AWS's errors the command line makes words: `cli.failures`.
        client = target.client("lambda", read_seconds=_OPERATOR_SECONDS, attempts=1)
        payload = orjson.dumps({**document, **({"org": org} if org else {})})
        for attempt in range(1, TRIES + 1):
            answer = client.invoke(FunctionName=target.output("QueryFunction"), Payload=payload)
            said = orjson.loads(answer["Payload"].read())
            if "FunctionError" in answer:
                raise RefusedError(f"the query failed: {said.get('errorMessage') or 'its function ended'}")
            found: dict[str, Any] = exactly(said["body"].encode())
            if found.get("error") not in _PASSING or attempt == TRIES:
                break
            time.sleep(pause(attempt, None))
        if "error" in found:
            raise _WORDS.get(found["error"], RefusedError)(found["message"])
        return found

    return invoke, lambda query: _forget(invoke({"cancel": query}))


def _forget(_: object) -> None:
    """It may have ended by itself meanwhile."""
