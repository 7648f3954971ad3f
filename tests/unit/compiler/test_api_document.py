"""Routes as the API's document has them, and what the build says of an operation that cannot be a route."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from millrace.compiler import api_document
from millrace.compiler.event_contracts import compile_contracts
from millrace.contracts import formats
from millrace.contracts.errors import ContractError
from millrace.core import values
from millrace.core.values import BadValueError

DOCUMENT = Path(__file__).parents[3] / "schemas" / api_document.FILE
OPEN: dict[str, Any] = {status: {} for status in ("400", "429", "500", "503")}
CLOSED = {**OPEN, "401": {}, "403": {}}
READ: dict[str, Any] = {
    "x-millrace-function": "read_api",
    "x-millrace-scope": "catalog:read",
    "responses": CLOSED,
}


def document(path: str = "/v1/things", method: str = "get", **operation: Any) -> dict[str, Any]:
    return {"paths": {path: {method: operation}}}


def complaints(*arguments: str, **operation: Any) -> str:
    with pytest.raises(ContractError) as raised:
        api_document.routes(document(*arguments, **operation))
    return str(raised.value)


def test_an_operation_becomes_a_route() -> None:
    (route,) = api_document.routes(document(**READ)).items()
    nothing = {"parameters": [], "anyQuery": False, "body": None}
    assert route == ("GET /v1/things", {"function": "read_api", "right": "catalog:read", **nothing})


def test_the_served_document_stands_alone() -> None:
    served = api_document.load(DOCUMENT)
    assert api_document.SHARED not in served
    responses = served["paths"]["/v1/events/{eventId}"]["get"]["responses"]
    assert set(responses) == {"200", "400", "401", "403", "404", "429", "500", "503"}
    # Beside the shared answers an operation has its own.
    assert (
        "Every event was refused" in served["paths"]["/v1/events"]["post"]["responses"]["400"]["description"]
    )


WORDS = {"reason", "note"}


def _words() -> list[tuple[str, dict[str, Any]]]:
    """What people write in their own words, by route."""
    found = []
    for name, route in api_document.routes(api_document.load(DOCUMENT)).items():
        fields = {one["name"]: one["schema"] for one in route["parameters"]}
        fields |= ((route["body"] or {}).get("schema") or {}).get("properties", {})
        found += [(name, schema) for field, schema in fields.items() if field in WORDS]
    return found


def test_words_of_people_hold_no_character_that_nobody_sees() -> None:
    every = re.compile(f"[{formats.UNPRINTABLE}]")
    unseen = [chr(code) for code in range(0x2100) if every.match(chr(code))]
    assert {"\x00", "\u202e"} < set(unseen)
    found = _words()
    assert {"POST /v1/grants", "POST /v1/grants/{id}/revoke"} < {name for name, _ in found}
    for name, schema in found:
        assert values.parse(schema, "Fall 4711, größer – 再", "reason"), name
        for one in unseen:
            with pytest.raises(BadValueError, match=f"without the character U\\+{ord(one):04X}"):
                values.parse(schema, f"a{one}b", "reason")


def test_a_name_that_stands_twice_in_the_document_is_found(tmp_path: Path) -> None:
    (tmp_path / api_document.FILE).write_text("paths:\n  /a: {}\n  /a: {}\n")
    with pytest.raises(ContractError, match="stands here twice"):
        api_document.load(tmp_path / api_document.FILE)


@pytest.mark.parametrize(
    ("operation", "complaint"),
    [
        ({"x-millrace-scope": "events:read"}, "x-millrace-function is missing"),
        ({"x-millrace-function": "read_api"}, "needs x-millrace-scope"),
        ({"x-millrace-function": "read_api", "security": []}, None),
        (
            {"x-millrace-function": "read_api", "x-millrace-scope": "things:read"},
            "things:read is not an action",
        ),
        ({"x-millrace-function": "read_api", "security": [], "x-millrace-scope": "events:read"}, "needs"),
        ({"x-millrace-function": "read_api", "security": [{"credential": []}]}, "needs x-millrace-scope"),
    ],
)
def test_an_operation_is_open_or_has_a_scope(operation: dict[str, Any], complaint: str | None) -> None:
    if complaint is None:
        (route,) = api_document.routes(document(**operation, responses=CLOSED)).values()
        assert route["right"] is None
    else:
        assert complaint in complaints(**operation, responses=CLOSED)


def test_parameters_are_those_of_the_path() -> None:
    assert "name different values" in complaints("/v1/things/{id}", **READ)
    named = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    assert "name different values" in complaints(**READ, parameters=[named])
    assert api_document.routes(document("/v1/things/{id}", **READ, parameters=[named]))


@pytest.mark.parametrize(
    ("schema", "complaint"),
    [
        ({"type": "string", "contentEncoding": "base64"}, "uses contentEncoding"),
        ({"type": "string", "format": "uuid"}, "the format uuid"),
        ({"type": "string", "pattern": "^a$"}, "a pattern and no examples"),
        ({"type": "array", "items": {"type": "integer", "multipleOf": 2}}, "uses multipleOf"),
        ({"oneOf": [{"type": "object"}, {"type": "object"}]}, "closed objects"),
    ],
)
def test_a_schema_that_would_be_read_in_part_is_no_schema(schema: dict[str, Any], complaint: str) -> None:
    parameter = {"name": "x", "in": "query", "schema": schema}
    assert complaint in complaints(**READ, parameters=[parameter])
    body = {"content": {"application/json": {"schema": {"properties": {"x": schema}}}}}
    answers = {**CLOSED, "413": {}}
    assert complaint in complaints("/v1/things", "post", **{**READ, "responses": answers}, requestBody=body)


def test_a_route_lists_what_every_route_of_its_kind_can_be_answered() -> None:
    found = complaints(**{**READ, "responses": {"400": {}, "429": {}, "500": {}}})
    assert "can be answered 401, 403, 503 and does not list it" in found
    body = {"content": {"text/csv": {"schema": {"type": "string"}}}}
    assert "can be answered 413" in complaints("/v1/things", "post", **READ, requestBody=body)
    schema = {"type": "string", "maxLength": 9}
    parameter = {"name": "id", "in": "path", "required": True, "schema": schema}
    assert "can be answered 404" in complaints("/v1/things/{id}", **READ, parameters=[parameter])


def test_a_body_of_json_is_read_by_its_schema_and_any_other_by_the_function() -> None:
    answers = {**READ, "responses": {**CLOSED, "413": {}}}
    schema = {"type": "array", "items": {"x-millrace-contract": "thing.happened", "type": "object"}}
    content = {"application/json": {"schema": schema}}
    body = {"required": True, "content": content, "x-millrace-max-bytes": 9}
    (route,) = api_document.routes(document("/v1/things", "post", **answers, requestBody=body)).values()
    assert route["body"] == {
        "schema": {"type": "array", "items": {"x-millrace-contract": "thing.happened"}},
        "byContract": True,
        "maxBytes": 9,
    }
    body = {"content": {**content, "application/x-ndjson": {"schema": {"type": "string"}}}}
    (route,) = api_document.routes(document("/v1/things", "post", **answers, requestBody=body)).values()
    assert route["body"] is None


def test_the_served_document_has_a_schema_for_each_type_that_clients_send() -> None:
    contracts = compile_contracts(DOCUMENT.parent)
    document = api_document.with_contracts(api_document.load(DOCUMENT), contracts)
    validate(document)
    schemas = document["components"]["schemas"]
    event = schemas[api_document.EVENT]
    sent = {one.event_type for one in contracts if not one.derived}
    assert set(event["discriminator"]["mapping"]) == sent
    for event_type, ref in event["discriminator"]["mapping"].items():
        schema = schemas[ref.removeprefix("#/components/schemas/")]
        assert schema["properties"]["eventType"]["const"] == event_type
        assert not [name for name in schema if name.startswith("$")]
    assert len({schemas[one["$ref"].rpartition("/")[2]]["title"] for one in event["oneOf"]}) == len(
        event["oneOf"]
    )


def test_an_object_without_declared_fields_is_open() -> None:
    """Generators take it for one that is always empty."""
    document = api_document.with_contracts(api_document.load(DOCUMENT), compile_contracts(DOCUMENT.parent))
    data = document["components"]["schemas"]["StoredEvent"]["properties"]["data"]
    assert data["additionalProperties"] is True
    assert "additionalProperties" not in document["components"]["schemas"]["Accepted"]


def test_a_status_has_one_schema_whatever_its_media_type() -> None:
    document = api_document.load(DOCUMENT)
    for name, answer in document["components"]["responses"].items():
        schemas = {json.dumps(part["schema"]) for part in answer["content"].values()}
        assert len(schemas) == 1, name
