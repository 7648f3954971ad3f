"""The HTTP API in front of the handlers, as a WSGI application: routes by the document, the authorizer first."""

import base64
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

Handler = Callable[[dict[str, Any], object], dict[str, Any]]
Start = Callable[[str, list[tuple[str, str]]], object]
METHODS = ("get", "post", "put", "patch", "delete", "options")


class Gateway:
    """Hands a call to the function that the API's document names, with payload 2.0 as AWS builds it."""

    def __init__(
        self,
        document: Mapping[str, Any],
        functions: Mapping[str, Any],
        *,
        aws_caller: str = "",
        remembers: bool = False,
    ) -> None:
        """Makes no call.

        Args:
            document: the API's.
            functions: handlers by name.
            aws_caller: the ARN of who signs each call; nobody does if it is empty.
            remembers: a credential is judged once, as at AWS within a minute: for whoever changes none of its rights.
        """
        self._functions, self._aws_caller = functions, aws_caller
        self._remembers = remembers
        self._verdicts: dict[str, dict[str, Any]] = {}
        self._routes = [
            (method.upper(), path, _pattern(path), operation)
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
            if method in METHODS and operation["x-millrace-function"] in functions
        ]
        # A fixed path wins over one with parameters, as at AWS.
        self._routes.sort(key=lambda route: route[1].count("{"))

    def __call__(self, environ: Mapping[str, Any], start: Start) -> Iterable[bytes]:
        """WSGI."""
        answer = self._answer(environ)
        status = HTTPStatus(answer["statusCode"])
        start(f"{status.value} {status.phrase}", list(answer["headers"].items()))
        body = answer["body"].encode()
        return [base64.b64decode(body) if answer.get("isBase64Encoded") else body]

    def _answer(self, environ: Mapping[str, Any]) -> dict[str, Any]:
        method = environ["REQUEST_METHOD"]
        # WSGI has the path decoded as Latin-1. An HTTP API decodes all escapes but that of the percent sign, and matches then.
        sent = environ.get("RAW_URI") or quote(environ["PATH_INFO"].encode("latin-1"))
        path = unquote(sent.partition("?")[0].replace("%25", "%2525"))
        for route_method, template, pattern, operation in self._routes:
            match = pattern.fullmatch(path)
            if match is not None and route_method == method:
                event = _event(environ, f"{method} {template}", path, match.groupdict())
                return self._allowed(event, operation)
        return _message(HTTPStatus.NOT_FOUND, "Not Found")

    def _allowed(self, event: dict[str, Any], operation: Mapping[str, Any]) -> dict[str, Any]:
        handler: Handler = self._functions[operation["x-millrace-function"]]
        if operation.get("x-millrace-scope") == "aws":
            if not self._aws_caller:
                return _message(HTTPStatus.FORBIDDEN, "Forbidden")
            event["requestContext"]["authorizer"] = {"iam": {"userArn": self._aws_caller}}
        elif operation.get("security") != []:
            credential = event["headers"].get("authorization")
            if not credential:
                return _message(HTTPStatus.UNAUTHORIZED, "Unauthorized")
            verdict = self._verdicts.get(credential)
            if verdict is None:
                verdict = self._functions["authorize"]({**event, "identitySource": [credential]}, None)
                if self._remembers:
                    self._verdicts[credential] = verdict
            if not verdict["isAuthorized"]:
                return _message(HTTPStatus.FORBIDDEN, "Forbidden")
            event["requestContext"]["authorizer"] = {"lambda": verdict["context"]}
        return handler(event, None)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    return re.compile(
        "".join(f"(?P<{part}>[^/]+)" if number % 2 else re.escape(part) for number, part in enumerate(parts)),
        re.DOTALL,
    )


def _event(
    environ: Mapping[str, Any], route: str, path: str, parameters: Mapping[str, str]
) -> dict[str, Any]:
    headers = {
        name[5:].replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    if environ.get("CONTENT_TYPE"):
        headers["content-type"] = environ["CONTENT_TYPE"]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    query: dict[str, str] = {}
    for name, value in parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True):
        # Payload 2.0 joins a name that is given twice.
        query[name] = f"{query[name]},{value}" if name in query else value
    return {
        "version": "2.0",
        "type": "REQUEST",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": environ.get("QUERY_STRING", ""),
        "headers": headers,
        "queryStringParameters": query or None,
        "pathParameters": dict(parameters) or None,
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "http": {"method": route.partition(" ")[0], "sourceIp": "203.0.113.7"},
        },
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def _message(status: HTTPStatus, text: str) -> dict[str, Any]:
    """The gateway's own short body."""
    return {
        "statusCode": int(status),
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"message": text}),
    }
