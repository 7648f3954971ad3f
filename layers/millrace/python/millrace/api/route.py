"""One operation of the API's document, and one call of it: typed values in place of a request's texts."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson

from millrace.core import bundle, exact_json, values
from millrace.core.http import AWS, Problem, Request
from millrace.core.values import BadValueError
from millrace.eventstore import cursor as cursors

CURSOR, LIMIT = "cursor", "limit"


def load_operations() -> dict[str, Any]:
    """The operations of the API's document by route, from the bundle in force."""
    return bundle.load(_read_operations)


def load_document() -> bytes:
    """The API's document, from the bundle in force."""
    return bundle.load(_read_document)


def _read_document(folder: Path) -> bytes:
    return (folder / bundle.OPENAPI).read_bytes()


def _read_operations(folder: Path) -> dict[str, Any]:
    operations: dict[str, Any] = bundle.document(folder, bundle.ROUTES)
    return operations


@dataclass(frozen=True, slots=True)
class Call:
    """What a function gets of a call.

    Attributes:
        request: as it came.
        values: parameters of path and query by name, typed; those with a default are always there.
        body: typed likewise; None for a route without a body, and for one whose function reads `request.body` itself.
    """

    request: Request
    values: Mapping[str, Any]
    body: Any = field(repr=False, default=None)

    @property
    def org(self) -> str:
        """The tenant that calls."""
        return self.request.authenticated.org

    def after(self, is_position: Callable[[str], bool] = bool) -> str | None:
        """The position behind which this page begins; None for the first page.

        Args:
            is_position: whether a text is a position of this list.

        Raises:
            Problem: 400, the cursor is broken, of another tenant or query, or of a version that kept positions otherwise.
        """
        text = self._given().get(CURSOR)
        if text is None:
            return None
        try:
            position = cursors.decode(self.org, self._query(), text)
        except cursors.BadCursorError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
        if not is_position(position):
            raise Problem(HTTPStatus.BAD_REQUEST, "the cursor is of another version: begin without one")
        return position

    def cursor(self, position: str | None) -> str | None:
        """The cursor of the page behind this position; None, where this page is the last."""
        return None if position is None else cursors.encode(self.org, self._query(), position)

    def _given(self) -> dict[str, Any]:
        return {**self.values, **(self.body if isinstance(self.body, dict) else {})}

    def _query(self) -> dict[str, Any]:
        """What a cursor belongs to: the call with all that it was given but the page."""
        given = {
            name: value
            for name, value in self._given().items()
            if name not in (CURSOR, LIMIT) and value not in (None, [], {})
        }
        return {"call": self.request.route, "given": given}


class Route:
    """Who may call an operation, and what it takes."""

    def __init__(self, operation: Mapping[str, Any]) -> None:
        """`operation` is as `compiler.api_document` wrote it."""
        self._right: str | None = operation["right"]
        self._parameters: list[Mapping[str, Any]] = operation["parameters"]
        self._body: Mapping[str, Any] | None = operation["body"]
        names = {parameter["name"] for parameter in self._parameters if parameter["in"] == "query"}
        self._query_names = None if operation["anyQuery"] else names

    def call(self, request: Request) -> Call:
        """A request as a call.

        Raises:
            Problem: 401 or 403, the caller lacks the right; 404, a value in the path that nothing can have; 413, a body over
                its limit; 400, any other value that the document does not allow.
        """
        # Who signs for AWS has no rights of ours yet.
        if self._right not in (None, AWS):
            request.authenticated.require(self._right)
        try:
            self._check_names(request)
            return Call(request, self._values(request), self._read_body(request.body))
        except BadValueError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error

    def _check_names(self, request: Request) -> None:
        if self._query_names is not None and (others := sorted(request.query.keys() - self._query_names)):
            raise values.unknown(others, "parameter")

    def _values(self, request: Request) -> dict[str, Any]:
        typed: dict[str, Any] = {}
        for parameter in self._parameters:
            name, schema = parameter["name"], parameter["schema"]
            text = (request.path if parameter["in"] == "path" else request.query).get(name)
            if text is not None:
                typed[name] = _value(parameter, text)
            elif parameter["required"]:
                raise values.missing(parameter, name)
            elif "default" in schema:
                typed[name] = schema["default"]
        return typed

    def _read_body(self, raw: bytes) -> Any:
        if self._body is None:
            return None
        if not raw and "optional" in self._body:
            raw = b"{}"
        if len(raw) > self._body.get("maxBytes", math.inf):
            most = self._body["maxBytes"]
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body holds at most {most} bytes")
        try:
            body, is_long = exact_json.loads(raw)
        except orjson.JSONDecodeError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, "the body is not JSON") from error
        if is_long and not self._body["byContract"]:
            raise Problem(HTTPStatus.BAD_REQUEST, exact_json.TOO_LONG)
        schema = self._body["schema"]
        if isinstance(body, list) and len(body) > schema.get("maxItems", math.inf):
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {schema['maxItems']} items a call")
        return values.read(schema, body, values.BODY)


def _value(parameter: Mapping[str, Any], text: str) -> Any:
    try:
        return values.parse(parameter["schema"], text, parameter["name"])
    except BadValueError as error:
        if parameter["in"] == "path":
            raise Problem(HTTPStatus.NOT_FOUND, f"there is no such thing: {error}") from error
        raise
