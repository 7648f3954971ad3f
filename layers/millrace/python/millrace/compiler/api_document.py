"""From `schemas/openapi.yaml` to the routes that functions and stacks read. Used at build only.

What a route says of itself is checked here once: who answers it, which right its caller needs, and that its parameters and
its body use only what `core.values` reads; and that it lists each status that every route like it can be answered with.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from millrace.access.actions import ACTIONS
from millrace.compiler.documents import FastLoader, parse_document
from millrace.compiler.exports import json_schema
from millrace.compiler.exports.avro import pascal
from millrace.contracts.contract import Contract
from millrace.contracts.errors import Findings
from millrace.core import values
from millrace.core.http import ANY, AWS

FILE = "openapi.yaml"
METHODS = ("get", "put", "post", "delete", "patch", "options")
JSON = "application/json"
# Of this document alone: answers that its operations share.
SHARED = "x-answers"
# The component that a request's events are of.
EVENT = "Event"
_MERGE = "tag:yaml.org,2002:merge"
_OPEN = frozenset({"400", "429", "500", "503"})
_CLOSED = frozenset({"401", "403"})


class _Loader(FastLoader):
    """With merge keys: operations share answers, and one beside a merge key wins."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        return "<<" if node.tag == _MERGE else super().construct_object(node, deep)


def load(path: Path) -> dict[str, Any]:
    """The document as it is served.

    Raises:
        ContractError: the file is not YAML.
    """
    document: dict[str, Any] = parse_document(path.read_bytes(), path.name, _Loader)
    document.pop(SHARED, None)
    return document


def with_contracts(document: Mapping[str, Any], contracts: Iterable[Contract]) -> dict[str, Any]:
    """The document with a schema for each type that clients may send, in the place of the envelope alone.

    An object without declared fields says that it is open: generators take it for an empty one otherwise.
    """
    sent = [one for one in contracts if not one.derived]
    named = {f"{pascal(one.event_type)}V{one.major}": one for one in sent}
    schemas = {name: _event(one, name) for name, one in named.items()}
    newest = {one.event_type: f"#/components/schemas/{name}" for name, one in named.items()}
    event = {
        "description": document["components"]["schemas"][EVENT]["description"],
        "oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in named],
        "discriminator": {"propertyName": "eventType", "mapping": newest},
    }
    components = document["components"]
    extended = {**components, "schemas": {**components["schemas"], **schemas, EVENT: event}}
    opened: dict[str, Any] = _opened({**document, "components": extended})
    return opened


def _event(contract: Contract, title: str) -> dict[str, Any]:
    schema = json_schema.export(contract)
    # Generators name classes by titles: two majors are two.
    return {name: part for name, part in schema.items() if not name.startswith("$")} | {"title": title}


def _opened(part: Any) -> Any:
    if isinstance(part, list):
        return [_opened(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    inner = {name: _opened(value) for name, value in part.items()}
    kinds = part.get("type", ())
    is_object = "object" in ([kinds] if isinstance(kinds, str) else kinds)
    told = {"additionalProperties", "properties", "oneOf", "anyOf", "allOf"} & set(part)
    # `type` and the like may be names of fields, under which schemas stand.
    if is_object and not told and not isinstance(part.get("type"), dict):
        inner["additionalProperties"] = True
    return inner


def routes(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Every operation by its route, such as `GET /v1/events/{eventId}`, in the order of paths.

    Each is `{"function", "right", "parameters", "anyQuery", "body"}`:

    - `right` is None for an open route.
    - A parameter, of path or query, is `{"name", "in", "required", "description", "schema"}`.
    - `anyQuery`: unknown parameters are ignored.
    - `body` is `{"schema", "byContract", "maxBytes", "optional"}`; None if there is none, or if it may be other than JSON, which the
      function reads itself. `byContract`: a contract decides about values in it, and so about integers beyond 64 bits.

    Raises:
        ContractError: with every problem of the document.
    """
    findings = Findings(FILE)
    compiled = {}
    for path in sorted(document["paths"]):
        item = document["paths"][path]
        for method in sorted(set(METHODS) & set(item)):
            route, operation = f"{method.upper()} {path}", _resolved(document, item[method])
            compiled[route] = _route(operation)
            _check(compiled[route], operation, path, partial(findings.report, route))
    findings.check()
    return compiled


def _route(operation: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "function": operation.get("x-millrace-function"),
        "right": operation.get("x-millrace-scope"),
        "parameters": [
            {
                "name": parameter["name"],
                "in": parameter["in"],
                "required": parameter.get("required", False),
                "description": parameter.get("description", ""),
                "schema": parameter["schema"],
            }
            for parameter in operation.get("parameters", [])
            if parameter["in"] in ("path", "query")
        ],
        "anyQuery": operation.get("x-millrace-any-query", False),
        "body": _body(operation.get("requestBody")),
    }


def _body(body: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if body is None or set(body["content"]) != {JSON}:
        return None
    schema = body["content"][JSON]["schema"]
    bound = {"maxBytes": body["x-millrace-max-bytes"]} if "x-millrace-max-bytes" in body else {}
    optional = {} if body.get("required", False) else {"optional": True}
    return {"schema": schema, "byContract": _is_by_contract(schema), **bound, **optional}


def _is_by_contract(schema: Any) -> bool:
    """Whether a contract decides about a value or a part of it."""
    if isinstance(schema, dict):
        return values.CONTRACT in schema or any(map(_is_by_contract, schema.values()))
    return isinstance(schema, list) and any(map(_is_by_contract, schema))


def _resolved(document: Mapping[str, Any], part: Any) -> Any:
    """The same without references, and without what a contract decides about."""
    if isinstance(part, list):
        return [_resolved(document, inner) for inner in part]
    if not isinstance(part, dict):
        return part
    if values.CONTRACT in part:
        return {values.CONTRACT: part[values.CONTRACT]}
    if "$ref" not in part:
        return {key: _resolved(document, inner) for key, inner in part.items()}
    target: Any = document
    for key in part["$ref"].removeprefix("#/").split("/"):
        target = target[key]
    return _resolved(document, target)


def _check(
    route: Mapping[str, Any], operation: Mapping[str, Any], path: str, report: Callable[[str], None]
) -> None:
    if not route["function"]:
        report("x-millrace-function is missing")
    if (operation.get("security") == []) == (route["right"] is not None):
        report("needs x-millrace-scope exactly when it needs a credential")
    elif route["right"] is not None and route["right"] not in {ANY, AWS, *ACTIONS}:
        report(f"x-millrace-scope {route['right']} is not an action; they are listed in access/actions.py")
    in_path = {parameter["name"] for parameter in route["parameters"] if parameter["in"] == "path"}
    if in_path != set(re.findall(r"\{(\w+)\}", path)):
        report("its path and its parameters name different values")
    schemas = [parameter["schema"] for parameter in route["parameters"]]
    schemas += [route["body"]["schema"]] if route["body"] is not None else []
    for schema in schemas:
        for sentence in _problems(schema):
            report(sentence)
    absent = _answers(route, operation) - set(operation.get("responses", {}))
    if absent:
        report(f"can be answered {', '.join(sorted(absent))} and does not list it")


def _answers(route: Mapping[str, Any], operation: Mapping[str, Any]) -> frozenset[str]:
    """Statuses that any route like this one can be answered with, by the gateway, the router, or a fault."""
    closed = _CLOSED if route["right"] is not None else frozenset[str]()
    body = frozenset({"413"}) if "requestBody" in operation else frozenset[str]()
    checked = any(
        parameter["in"] == "path" and len(parameter["schema"]) > 1 for parameter in route["parameters"]
    )
    return _OPEN | closed | body | (frozenset({"404"}) if checked else frozenset[str]())


def _problems(schema: Mapping[str, Any]) -> Iterator[str]:
    if others := sorted(set(schema) - values.KEYWORDS):
        yield f"a value's schema uses {', '.join(others)}, which nothing reads"
    if schema.get("format", "date-time") not in values.FORMATS:
        yield f"a value's schema has the format {schema['format']}, which nothing reads"
    if "pattern" in schema and not schema.get("examples"):
        yield "a value's schema has a pattern and no examples to say what it looks like"
    forms = schema.get("oneOf", [])
    if not all(form.get("additionalProperties") is False for form in forms) or not all(
        form.get("required") for form in forms[:-1]
    ):
        yield "forms of a value are closed objects, told apart by their required fields"
    for inner in (*forms, *schema.get("properties", {}).values(), *filter(None, [schema.get("items")])):
        yield from _problems(inner)
