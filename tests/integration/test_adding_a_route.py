"""A route is one entry of the API's document and one function: this adds one and calls it through the gateway."""

import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from millrace.api.route import Call
from millrace.api.router import Router
from millrace.compiler import api_document
from tests.support.gateway import Gateway

DOCUMENT = Path(__file__).parents[2] / "schemas" / api_document.FILE
ENTRY = """
  /v1/shelves/{shelf}/things:
    post:
      operationId: putThings
      summary: Put things on a shelf
      x-millrace-function: shelves
      x-millrace-scope: alerts:write
      parameters:
        - name: shelf
          in: path
          required: true
          description: The number of the shelf.
          schema: {type: integer, minimum: 1, maximum: 9}
        - $ref: "#/components/parameters/From"
        - $ref: "#/components/parameters/Limit"
        - $ref: "#/components/parameters/Cursor"
      requestBody:
        required: true
        x-millrace-max-bytes: 100
        content:
          application/json:
            schema:
              type: object
              additionalProperties: false
              required: [name]
              properties:
                name: {type: string, maxLength: 5, description: What it is called.}
                count: {type: integer, minimum: 1, default: 1}
      responses:
        <<: *one-thing
        "200": {description: They are on it.}
        "413": {$ref: "#/components/responses/TooLarge"}
"""


def put_things(call: Call) -> dict[str, Any]:
    """What a route's function is: values in, data out."""
    at, since = call.after() or "0", call.values.get("from")
    return {
        **call.body,
        "org": call.org,
        "shelf": call.values["shelf"],
        "limit": call.values["limit"],
        "year": since.year if since is not None else None,
        "at": at,
        "cursor": call.cursor(str(int(at) + 1)),
    }


class Api:
    """The gateway of a document with one more entry, in front of a function that answers it."""

    def __init__(self, folder: Path, scopes: str = "alerts:write") -> None:
        path = folder / api_document.FILE
        path.write_text(DOCUMENT.read_text().replace("\npaths:\n", f"\npaths:\n{ENTRY.lstrip(chr(10))}", 1))
        document = api_document.load(path)
        functions = {"POST /v1/shelves/{shelf}/things": put_things}
        router = Router(functions, pytest.fail, api_document.routes(document))
        allowed = {"isAuthorized": True, "context": {"org": "org_acme", "principal": "p", "scopes": scopes}}
        handlers = {
            "shelves": lambda event, _: router(event),
            "authorize": lambda *_: allowed,
        }
        self._gateway = Gateway(document, handlers)

    def put(self, body: object, shelf: str = "7", **query: str) -> tuple[int, dict[str, Any]]:
        raw = json.dumps(body).encode()
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": f"/v1/shelves/{shelf}/things",
            "QUERY_STRING": urlencode(query),
            "CONTENT_LENGTH": str(len(raw)),
            "wsgi.input": io.BytesIO(raw),
            "HTTP_AUTHORIZATION": "Bearer mk_x",
        }
        statuses: list[str] = []
        answer = b"".join(self._gateway(environ, lambda status, _: statuses.append(status)))
        return int(statuses[0].split()[0]), json.loads(answer)


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


def test_its_function_gets_typed_values_and_defaults(api: Api) -> None:
    status, answer = api.put({"name": "bolt"}, **{"from": "2026-11-21T06:00:00+01:00"})
    cursor = answer.pop("cursor")
    assert (status, answer) == (
        200,
        {"name": "bolt", "count": 1, "org": "org_acme", "shelf": 7, "limit": 50, "year": 2026, "at": "0"},
    )
    # A cursor belongs to all that was asked, but for the size of the page.
    following = {"from": "2026-11-21T05:00:00Z", "cursor": cursor}
    assert api.put({"name": "bolt"}, **following, limit="5")[1]["at"] == "1"
    for body, shelf, query in (
        ({"name": "nut"}, "7", following),
        ({"name": "bolt"}, "8", following),
        ({"name": "bolt"}, "7", {"cursor": cursor}),
    ):
        status, answer = api.put(body, shelf, **query)
        assert (status, answer["detail"]) == (400, "the cursor is not of this query")


@pytest.mark.parametrize(
    ("body", "shelf", "query", "status", "detail"),
    [
        ({"name": "bolt"}, "10", {}, 404, "shelf must be a whole number from 1 to 9"),
        ({"name": "bolt"}, "x", {}, 404, "shelf must be a whole number from 1 to 9"),
        ({"name": "bolt"}, "7", {"limit": "0"}, 400, "limit must be a whole number from 1 to 500"),
        ({"name": "bolt"}, "7", {"colour": "red"}, 400, "unknown parameter: colour"),
        ({"name": "bolt"}, "7", {"from": "x"}, 400, "from must be ISO-8601 with an offset"),
        ({}, "7", {}, 400, "name is missing: What it is called."),
        ({"name": "a bolt"}, "7", {}, 400, "name is too long"),
        ({"name": "bolt", "count": 0}, "7", {}, 400, "count must be a whole number from 1"),
        ({"name": "bolt", "count": 10**30}, "7", {}, 400, "beyond 64 bits"),
        ({"name": "x" * 100}, "7", {}, 413, "at most 100 bytes"),
    ],
)
def test_what_its_entry_does_not_allow_never_reaches_the_function(
    api: Api, body: object, shelf: str, query: dict[str, str], status: int, detail: str
) -> None:
    answer = api.put(body, shelf, **query)
    assert answer[0] == status
    assert detail in answer[1]["detail"]


def test_its_right_is_asked_for(tmp_path: Path) -> None:
    status, answer = Api(tmp_path, scopes="alerts:read").put({"name": "bolt"})
    assert (status, answer["detail"]) == (403, "this credential lacks the right alerts:write")
