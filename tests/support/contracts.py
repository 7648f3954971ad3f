"""Contracts for tests: the files of the checkout, small ones made on the spot, and a second opinion on events."""

import copy
import json
import re
from collections.abc import Iterator
from decimal import Decimal, localcontext
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import jsonschema.validators

from millrace.compiler.event_contracts import compile_document, compile_file
from millrace.compiler.exports import json_schema
from millrace.contracts.contract import Contract

SCHEMAS = Path(__file__).parents[2] / "schemas"
FILES = sorted((SCHEMAS / "events").glob("*/*/v*.yaml"))


@cache
def compiled(path: Path) -> Contract:
    """The contract of a file of the checkout."""
    return compile_file(path, SCHEMAS)


def named(path: Path) -> str:
    """What a parametrized test calls a contract's file."""
    return f"{path.parent.name}.{path.stem}"


def document(*payload: dict[str, Any], **custom: Any) -> dict[str, Any]:
    """A small ODCS document, `thing.happened`, with these payload fields and custom properties."""
    return {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": "thing.happened.v1",
        "name": "thing.happened",
        "version": "1.0.0",
        "schema": [
            {
                "name": "thing_happened",
                "logicalType": "object",
                "properties": [
                    {
                        "name": "payload",
                        "logicalType": "object",
                        "required": True,
                        "properties": [copy.deepcopy(field) for field in payload],
                    }
                ],
            }
        ],
        "customProperties": [
            {"property": name, "value": value}
            for name, value in {"category": "business-events", **custom}.items()
        ],
    }


def contract(*payload: dict[str, Any], **custom: Any) -> Contract:
    """The compiled form of `document`."""
    return compile_document(document(*payload, **custom), "thing.yaml")


def field(name: str, logical: str = "string", **more: Any) -> dict[str, Any]:
    """An ODCS property."""
    return {"name": name, "logicalType": logical, **more}


def event(payload: Any, **more: Any) -> dict[str, Any]:
    """A `thing.happened` with this payload."""
    return {
        "eventId": "0b9f1d0c-7a3e-4a44-8f0e-3d2c1b0a9f8e",
        "eventType": "thing.happened",
        "timestamp": "2026-11-21T09:30:00Z",
        "data": {"payload": payload},
        **more,
    }


def second_opinion(contract: Contract, event: Any) -> set[tuple[str, str]]:
    """Pointer and keyword of whatever the `jsonschema` library finds wrong by the exported JSON Schema and its comments."""
    validator = _validator(json.dumps(json_schema.export(contract)))
    instance = json.loads(json.dumps(event), parse_float=_number)
    # Remainders of large decimals need all their digits.
    with localcontext() as context:
        context.prec = 1200
        return {place for error in validator.iter_errors(instance) for place in _places(error)}


@cache
def _validator(schema: str) -> Any:
    return _Commented(json.loads(schema, parse_float=Decimal))


def _places(error: jsonschema.ValidationError) -> Iterator[tuple[str, str]]:
    above = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in error.absolute_path)
    if error.validator == "required":
        missing = re.match(r"'(.*)' is a required property", error.message)
        assert missing is not None
        yield f"{above}/{missing[1]}", "required"
    elif error.validator == "additionalProperties":
        assert isinstance(error.instance, dict)
        for name in set(error.instance) - set(error.schema["properties"]):
            yield f"{above}/{str(name).replace('~', '~0').replace('/', '~1')}", "additionalProperties"
    else:
        yield above, str(error.validator)


def _number(text: str) -> Decimal | int:
    value = Decimal(text)
    # In JSON Schema 2.0 is an integer; the library knows that of floats only.
    return int(value) if value == value.to_integral_value() else value


def _decimals(_: Any, comment: str, instance: Any, __: Any) -> Iterator[jsonschema.ValidationError]:
    """The step of decimals, which only the comment says."""
    if comment.startswith("decimal(18,4)") and isinstance(instance, Decimal) and instance % Decimal("0.0001"):
        yield jsonschema.ValidationError(f"{instance} has more than 4 decimals")


_Commented = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"$comment": _decimals})
