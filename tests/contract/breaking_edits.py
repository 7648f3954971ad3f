"""A contract and what can be done to it: the table by which the gate is judged.

Imports nothing of ours, because `record_breaking_oracle.py` also reads it with another tool's interpreter.
"""

from typing import Any

DECIMAL = "decimal(18,4)"


def _field(name: str, logical: str = "string", **more: Any) -> dict[str, Any]:
    return {"name": name, "logicalType": logical, **more}


PAYLOAD = [
    _field("id", required=True, logicalTypeOptions={"minLength": 1, "maxLength": 64}),
    _field("name", logicalTypeOptions={"minLength": 2, "maxLength": 50}),
    _field("code", required=True, logicalTypeOptions={"pattern": "^[A-Z]+$"}),
    _field("kind", enum=[{"value": "a"}, {"value": "b"}, {"value": "c"}]),
    _field("count", "integer", required=True, logicalTypeOptions={"minimum": 0, "maximum": 100}),
    _field("price", "number", physicalType=DECIMAL, logicalTypeOptions={"minimum": 0}),
    _field("ratio", "number", logicalTypeOptions={"exclusiveMinimum": 0, "maximum": 1}),
    _field("when", "timestamp"),
    _field("day", "date"),
    _field("flag", "boolean"),
    _field(
        "tags", "array", items={"logicalType": "string"}, logicalTypeOptions={"minItems": 1, "maxItems": 5}
    ),
    _field(
        "lines",
        "array",
        items={
            "logicalType": "object",
            "properties": [
                _field("sku", required=True),
                _field("qty", "integer", logicalTypeOptions={"minimum": 1}),
                _field("cost", "number", physicalType=DECIMAL),
            ],
        },
    ),
    _field("address", "object", properties=[_field("city", required=True), _field("zip")]),
    _field("free", "object"),
    _field("mail", logicalTypeOptions={"format": "email"}),
    _field("plain"),
    _field("total", "number", physicalType=DECIMAL),
    _field("until", "timestamp"),
    _field("big", "integer"),
    _field("small", "integer", logicalTypeOptions={"format": "i16"}),
]
BASE: dict[str, Any] = {
    "apiVersion": "v3.2.0",
    "kind": "DataContract",
    "id": "thing.happened.v1",
    "name": "thing.happened",
    "version": "1.2.0",
    "status": "active",
    "description": {"purpose": "Something has happened."},
    "schema": [
        {
            "name": "thing_happened",
            "logicalType": "object",
            "properties": [
                {"name": "payload", "logicalType": "object", "required": True, "properties": PAYLOAD},
                {"name": "metadata", "logicalType": "object", "properties": [_field("source")]},
            ],
        }
    ],
    "slaProperties": [{"property": "retention", "value": 90, "unit": "d"}],
    "customProperties": [
        {"property": "category", "value": "business-events"},
        {"property": "indexes", "value": ["type", "user", "entity"]},
        {"property": "entity", "value": {"thing": "/data/payload/id"}},
        {"property": "route", "value": True},
        {
            "property": "rules",
            "value": [
                {
                    "kind": "equalsSum",
                    "total": "/data/payload/total",
                    "items": "/data/payload/lines",
                    "factors": ["qty", "cost"],
                    "tolerance": 0.005,
                },
                {
                    "kind": "requiredIf",
                    "field": "/data/payload/name",
                    "when": "/data/payload/kind",
                    "equals": ["a", "b"],
                },
            ],
        },
    ],
}

_PAYLOAD = "/schema/0/properties/0/properties"
_RULES = "/customProperties/4/value"


def _at(name: str, rest: str = "") -> str:
    index = next(index for index, field in enumerate(PAYLOAD) if field["name"] == name)
    return f"{_PAYLOAD}/{index}{rest}"


def _options(name: str, key: str) -> str:
    return _at(name, f"/logicalTypeOptions/{key}")


def _replace(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def _add(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def _remove(path: str) -> dict[str, Any]:
    return {"op": "remove", "path": path}


Edit = tuple[str, list[dict[str, Any]], list[tuple[str, str]]]
_END = f"{_PAYLOAD}/{len(PAYLOAD)}"
P = "/data/payload"

# What is done, how (JSON Patch on BASE, the version aside), and what the gate must say: pointer and kind.
EDITS: list[Edit] = [
    ("nothing", [], []),
    # Fields come and go
    ("an optional field at the end", [_add(_END, _field("extra"))], []),
    (
        "a required field at the end",
        [_add(_END, _field("extra", required=True))],
        [(f"{P}/extra", "required")],
    ),
    ("an optional field in the middle", [_add(_at("code"), _field("extra"))], [(P, "moved")]),
    ("an optional field is removed", [_remove(_at("plain"))], [(f"{P}/plain", "removed")]),
    ("a required field is removed", [_remove(_at("code"))], [(f"{P}/code", "removed")]),
    (
        "a field is renamed",
        [_replace(_at("plain", "/name"), "simple")],
        [(P, "moved"), (f"{P}/plain", "removed")],
    ),
    (
        "metadata loses its field",
        [_replace("/schema/0/properties/1/properties", [])],
        [("/data/metadata/source", "removed")],
    ),
    ("metadata gains a field", [_add("/schema/0/properties/1/properties/1", _field("agent"))], []),
    ("two fields change places", [_remove(_at("plain")), _add(_at("mail"), _field("plain"))], [(P, "moved")]),
    (
        "an item gains an optional field",
        [_add(_at("lines", "/items/properties/3"), _field("note"))],
        [],
    ),
    (
        "an item gains a required field",
        [_add(_at("lines", "/items/properties/3"), _field("note", required=True))],
        [(f"{P}/lines/*/note", "required")],
    ),
    (
        "an item loses a field",
        [_remove(_at("lines", "/items/properties/0"))],
        [(f"{P}/lines/*/sku", "removed")],
    ),
    (
        "a nested field is removed",
        [_remove(_at("address", "/properties/1"))],
        [(f"{P}/address/zip", "removed")],
    ),
    # Requirements
    (
        "an optional field becomes required",
        [_add(_at("plain", "/required"), True)],
        [(f"{P}/plain", "required")],
    ),
    ("a required field becomes optional", [_replace(_at("code", "/required"), False)], []),
    (
        "a nested field becomes required",
        [_add(_at("address", "/properties/1/required"), True)],
        [(f"{P}/address/zip", "required")],
    ),
    # Types
    (
        "text becomes integer",
        [_replace(_at("plain", "/logicalType"), "integer")],
        [(f"{P}/plain", "retyped")],
    ),
    (
        "text becomes timestamp",
        [_replace(_at("plain", "/logicalType"), "timestamp")],
        [(f"{P}/plain", "retyped")],
    ),
    ("timestamp becomes text", [_replace(_at("when", "/logicalType"), "string")], [(f"{P}/when", "retyped")]),
    ("timestamp becomes date", [_replace(_at("when", "/logicalType"), "date")], [(f"{P}/when", "retyped")]),
    ("integer becomes number", [_replace(_at("big", "/logicalType"), "number")], [(f"{P}/big", "retyped")]),
    (
        "decimal becomes double",
        [_replace(_at("price", "/physicalType"), "double")],
        [(f"{P}/price", "retyped")],
    ),
    ("double becomes decimal", [_add(_at("ratio", "/physicalType"), DECIMAL)], [(f"{P}/ratio", "retyped")]),
    ("boolean becomes text", [_replace(_at("flag", "/logicalType"), "string")], [(f"{P}/flag", "retyped")]),
    (
        "text items become integers",
        [_replace(_at("tags", "/items/logicalType"), "integer")],
        [(f"{P}/tags/*", "retyped")],
    ),
    (
        "a free object declares a field",
        [_add(_at("free", "/properties"), [_field("x")])],
        [(f"{P}/free", "retyped")],
    ),
    ("an object becomes free", [_remove(_at("address", "/properties"))], [(f"{P}/address", "retyped")]),
    ("a small integer becomes a large one", [_replace(_options("small", "format"), "i64")], []),
    (
        "a large integer becomes a small one",
        [_add(_at("big", "/logicalTypeOptions"), {"format": "i32"})],
        [(f"{P}/big", "narrowed")],
    ),
    # Limits of numbers
    ("a minimum is raised", [_replace(_options("count", "minimum"), 1)], [(f"{P}/count", "narrowed")]),
    ("a minimum is lowered", [_replace(_options("count", "minimum"), -1)], []),
    ("a minimum is dropped", [_remove(_options("count", "minimum"))], []),
    ("a maximum is lowered", [_replace(_options("count", "maximum"), 99)], [(f"{P}/count", "narrowed")]),
    ("a maximum is raised", [_replace(_options("count", "maximum"), 101)], []),
    (
        "a first maximum",
        [_add(_options("price", "maximum"), 1000)],
        [(f"{P}/price", "narrowed")],
    ),
    (
        "an inclusive minimum becomes exclusive",
        [_remove(_options("price", "minimum")), _add(_options("price", "exclusiveMinimum"), 0)],
        [(f"{P}/price", "narrowed")],
    ),
    (
        "an exclusive minimum becomes inclusive",
        [_remove(_options("ratio", "exclusiveMinimum")), _add(_options("ratio", "minimum"), 0)],
        [],
    ),
    (
        "more than -1 instead of at least 0, of whole numbers",
        [_remove(_options("count", "minimum")), _add(_options("count", "exclusiveMinimum"), -1)],
        [],
    ),
    # Limits of texts
    ("texts must be longer", [_replace(_options("name", "minLength"), 3)], [(f"{P}/name", "narrowed")]),
    ("texts may be shorter", [_replace(_options("name", "minLength"), 1)], []),
    ("texts must be shorter", [_replace(_options("name", "maxLength"), 49)], [(f"{P}/name", "narrowed")]),
    ("texts may be longer", [_replace(_options("name", "maxLength"), 51)], []),
    (
        "texts are limited",
        [_add(_at("plain", "/logicalTypeOptions"), {"maxLength": 9})],
        [(f"{P}/plain", "narrowed")],
    ),
    (
        "a first pattern",
        [_add(_at("plain", "/logicalTypeOptions"), {"pattern": "^a"})],
        [(f"{P}/plain", "narrowed")],
    ),
    ("another pattern", [_replace(_options("code", "pattern"), "^[A-Z]*$")], [(f"{P}/code", "narrowed")]),
    ("no pattern any more", [_remove(_options("code", "pattern"))], []),
    (
        "a first format",
        [_add(_at("plain", "/logicalTypeOptions"), {"format": "uuid"})],
        [(f"{P}/plain", "narrowed")],
    ),
    ("no format any more", [_remove(_options("mail", "format"))], []),
    # Lists of values
    ("a value is taken off the list", [_remove(_at("kind", "/enum/2"))], [(f"{P}/kind", "narrowed")]),
    ("a value is put on the list", [_add(_at("kind", "/enum/3"), {"value": "d"})], []),
    (
        "a first list of values",
        [_add(_at("plain", "/enum"), [{"value": "x"}])],
        [(f"{P}/plain", "narrowed")],
    ),
    ("no list of values any more", [_remove(_at("kind", "/enum"))], []),
    # Limits of arrays
    ("more items at least", [_replace(_options("tags", "minItems"), 2)], [(f"{P}/tags", "narrowed")]),
    ("fewer items at most", [_replace(_options("tags", "maxItems"), 4)], [(f"{P}/tags", "narrowed")]),
    ("more items at most", [_replace(_options("tags", "maxItems"), 6)], []),
    ("no item twice", [_add(_options("tags", "uniqueItems"), True)], [(f"{P}/tags", "narrowed")]),
    (
        "an item's minimum is raised",
        [_replace(_at("lines", "/items/properties/1/logicalTypeOptions/minimum"), 2)],
        [(f"{P}/lines/*/qty", "narrowed")],
    ),
    # Words
    ("another description", [_replace("/description/purpose", "Something else has happened.")], []),
    ("a field is described", [_add(_at("plain", "/description"), "Plain text.")], []),
    ("a field is classified", [_add(_at("plain", "/classification"), "confidential")], []),
    # What only our own properties say
    (
        "other fields are refused",
        [_add("/customProperties/5", {"property": "additionalProperties", "value": "reject"})],
        [("/data/metadata", "closed"), (P, "closed"), (f"{P}/address", "closed"), (f"{P}/lines/*", "closed")],
    ),
    ("kept for a shorter time", [_replace("/slaProperties/0/value", 89)], [("/retention", "retention")]),
    ("kept for a longer time", [_replace("/slaProperties/0/value", 91)], []),
    (
        "an index is dropped",
        [_replace("/customProperties/1/value", ["type", "entity"])],
        [("/indexes", "access")],
    ),
    ("an index is added", [_replace("/customProperties/1/value", ["type", "user", "session", "entity"])], []),
    (
        "the entity is another",
        [_replace("/customProperties/2/value", {"thing": "/data/payload/code"})],
        [("/entity", "access")],
    ),
    (
        "an entity is added",
        [_replace("/customProperties/2/value", {"thing": "/data/payload/id", "code": "/data/payload/code"})],
        [],
    ),
    ("no longer routed", [_replace("/customProperties/3/value", False)], [("/route", "access")]),
    ("a tolerance is tightened", [_replace(f"{_RULES}/0/tolerance", 0.004)], [(f"{P}/total", "rule")]),
    ("a tolerance is widened", [_replace(f"{_RULES}/0/tolerance", 0.01)], []),
    ("a rule asks more often", [_replace(f"{_RULES}/1/equals", ["a", "b", "c"])], [(f"{P}/name", "rule")]),
    ("a rule asks less often", [_replace(f"{_RULES}/1/equals", ["a"])], []),
    ("a rule is dropped", [_remove(f"{_RULES}/1")], []),
    (
        "a rule is added",
        [_add(f"{_RULES}/2", {"kind": "notBefore", "later": f"{P}/until", "earlier": f"{P}/when"})],
        [(f"{P}/until", "rule")],
    ),
    (
        "a reference is added",
        [
            _add(
                f"{_RULES}/2",
                {"kind": "reference", "field": f"{P}/id", "type": "thing.happened", "key": f"{P}/id"},
            )
        ],
        [],
    ),
    (
        "userId is filled from the payload",
        [_add("/customProperties/5", {"property": "userId", "value": f"{P}/id"})],
        [(f"{P}/id", "rule")],
    ),
]
