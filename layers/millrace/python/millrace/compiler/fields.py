"""From the properties of an ODCS schema to JSON Schema 2020-12. Used at build only.

A field has `name`, `logicalType`, `logicalTypeOptions`, `required`, `description`, `classification`, `enum` (a list of `{value}`),
`items` of an array, `properties` of an object. One that is not required may be null, which means that it is absent.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from millrace.contracts import formats, regular_expressions
from millrace.contracts.column_types import PHYSICAL, WIDE_INTEGER, WIDE_MONEY
from millrace.contracts.contract import CLASSES, PROTECTED
from millrace.contracts.decimals import INT64, LIMIT, STEP

DEFAULT_CLASS = "internal"
DECIMAL = "decimal(18,4)"

INTEGERS = {
    **{f"i{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"u{bits}": (0, 2**bits - 1) for bits in (8, 16, 32)},
}
BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
OPTIONS: dict[str, frozenset[str]] = {
    "string": frozenset({"minLength", "maxLength", "pattern", "format"}),
    "date": frozenset(),
    "timestamp": frozenset({"timezone"}),
    "number": frozenset({*BOUNDS, "format"}),
    "integer": frozenset({*BOUNDS, "format", "multipleOf"}),
    "boolean": frozenset(),
    "object": frozenset({"minProperties", "maxProperties"}),
    "array": frozenset({"minItems", "maxItems", "uniqueItems"}),
}
# What a value of each JSON type is in Python; a truth value is a number to Python, and is none here.
_PYTHON: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}
Property = dict[str, Any]


@dataclass
class Translation:
    """What becomes of one property tree: its JSON Schema, the class of every leaf, and what was wrong.

    `sums`: whether its fields may be wider than an event's, because they hold sums.
    """

    closed: bool
    report: Callable[[str, str], None]
    sums: bool = False
    classification: dict[str, str] = field(default_factory=dict)

    def object_schema(self, properties: list[Property], at: str, pointer: str) -> dict[str, Any]:
        """JSON Schema of an object.

        Args:
            properties: the ODCS properties.
            at: where they stand in the contract's file, for reports.
            pointer: where the object stands in the event.
        """
        schema: dict[str, Any] = {"type": "object"}
        required = [item["name"] for item in properties if item.get("required")]
        if required:
            schema["required"] = required
        fields: dict[str, Any] = {}
        for index, item in enumerate(properties):
            here = f"{at}/{index}"
            if item["name"] in fields:
                self.report(f"{here}/name", f"the field {item['name']} stands here twice")
            fields[item["name"]] = self._nullable(self._field(item, here, f"{pointer}/{item['name']}"), item)
        schema["properties"] = fields
        if self.closed:
            schema["additionalProperties"] = False
        return schema

    def _field(self, item: Property, at: str, pointer: str) -> dict[str, Any]:
        logical = item.get("logicalType")
        if logical not in OPTIONS:
            self.report(
                f"{at}/logicalType", f"events have fields of {', '.join(OPTIONS)}; this one is {logical}"
            )
            return {}
        options = item.get("logicalTypeOptions", {})
        for name in sorted(set(options) - OPTIONS[logical]):
            self.report(f"{at}/logicalTypeOptions/{name}", f"a {logical} of an event has no option {name}")
        schema = {
            "string": self._string,
            "date": lambda *_: formats.text("date"),
            "timestamp": self._timestamp,
            "number": self._number,
            "integer": self._integer,
            "boolean": lambda *_: {"type": "boolean"},
            "object": self._object,
            "array": self._array,
        }[logical](item, options, at, pointer)
        self._classify(item, logical, schema, at, pointer)
        if "enum" in item:
            self._enumerate(item["enum"], schema, at)
        if "description" in item:
            schema["description"] = item["description"].strip()
        return schema

    def _enumerate(self, entries: list[Property], schema: dict[str, Any], at: str) -> None:
        """The values of a closed list, each of them one that the field without the list would take."""
        json_type = schema["type"]
        if json_type in ("object", "array"):
            self.report(f"{at}/enum", f"an {json_type} has no list of values")
            return
        for index, entry in enumerate(entries):
            value, here = entry["value"], f"{at}/enum/{index}/value"
            written = json.dumps(value, ensure_ascii=False)
            if not isinstance(value, _PYTHON[json_type]) or (
                isinstance(value, bool) and json_type != "boolean"
            ):
                quoted = f'; write "{written}"' if json_type == "string" else ""
                self.report(here, f"{written} is not of the type {json_type}{quoted}")
            elif any(entry["value"] == earlier["value"] for earlier in entries[:index]):
                self.report(here, f"{written} stands here twice")
        schema["enum"] = [entry["value"] for entry in entries]

    def _string(self, _: Property, options: dict[str, Any], at: str, __: str) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "string"}
        name = options.get("format")
        if name is not None and name not in formats.FORMATS:
            known = ", ".join(sorted(formats.FORMATS))
            self.report(f"{at}/logicalTypeOptions/format", f"no format is called {name}; there are {known}")
        elif name is not None:
            schema.update(formats.FORMATS[name])
            if "pattern" in options:
                self.report(
                    f"{at}/logicalTypeOptions/pattern", f"the format {name} has its own pattern: give one"
                )
        elif "pattern" in options and (sentence := regular_expressions.problem(options["pattern"])):
            self.report(f"{at}/logicalTypeOptions/pattern", sentence)
        schema.update({key: options[key] for key in ("minLength", "maxLength", "pattern") if key in options})
        return schema

    def _timestamp(self, _: Property, options: dict[str, Any], at: str, __: str) -> dict[str, Any]:
        if options.get("timezone") is False:
            self.report(f"{at}/logicalTypeOptions/timezone", "a moment in an event carries its offset")
        return formats.text("date-time")

    def _number(self, item: Property, options: dict[str, Any], at: str, _: str) -> dict[str, Any]:
        bounds = {key: options[key] for key in BOUNDS if key in options}
        physical = item.get("physicalType", "double")
        if physical == DECIMAL:
            return {"type": "number", "minimum": -LIMIT, "maximum": LIMIT, **bounds, "multipleOf": STEP}
        if self.sums and physical == WIDE_MONEY:
            return {"type": "number", **bounds, "multipleOf": STEP, PHYSICAL: WIDE_MONEY}
        if physical != "double":
            wide = f"{WIDE_MONEY}, " if self.sums else ""
            self.report(
                f"{at}/physicalType", f"a number is {wide}{DECIMAL} or double; this one is {physical}"
            )
        return {"type": "number", **bounds}

    def _integer(self, item: Property, options: dict[str, Any], at: str, __: str) -> dict[str, Any]:
        name = options.get("format", "i64")
        if name not in INTEGERS:
            self.report(
                f"{at}/logicalTypeOptions/format", f"an integer is one of {', '.join(INTEGERS)}, not {name}"
            )
        low, high = INTEGERS.get(name, INT64)
        rest = {key: options[key] for key in (*BOUNDS, "multipleOf") if key in options}
        if self.sums and "physicalType" in item:
            if item["physicalType"] != WIDE_INTEGER or "format" in options:
                self.report(f"{at}/physicalType", f"an integer has a format, or is {WIDE_INTEGER}")
            return {"type": "integer", **rest, PHYSICAL: WIDE_INTEGER}
        return {"type": "integer", "minimum": low, "maximum": high, **rest}

    def _object(self, item: Property, options: dict[str, Any], at: str, pointer: str) -> dict[str, Any]:
        limits: dict[str, Any] = {
            key: options[key] for key in ("minProperties", "maxProperties") if key in options
        }
        # Payload and metadata are objects with declared fields even where they declare none.
        if not item.get("properties") and pointer.count("/") > 2:
            return {"type": "object", **limits}
        return {**self.object_schema(item.get("properties", []), f"{at}/properties", pointer), **limits}

    def _array(self, item: Property, options: dict[str, Any], at: str, pointer: str) -> dict[str, Any]:
        limits: dict[str, Any] = {
            key: options[key] for key in ("minItems", "maxItems", "uniqueItems") if key in options
        }
        if "items" not in item:
            self.report(at, "an array says what its items are")
            return {"type": "array", **limits}
        return {"type": "array", "items": self._field(item["items"], f"{at}/items", f"{pointer}/*"), **limits}

    def _classify(self, item: Property, logical: str, schema: dict[str, Any], at: str, pointer: str) -> None:
        name = item.get("classification")
        if name is not None and name not in CLASSES:
            self.report(f"{at}/classification", f"a class is one of {', '.join(CLASSES)}, not {name}")
        if name in PROTECTED and logical != "string":
            self.report(f"{at}/classification", f"only texts are protected; this {logical} cannot be {name}")
        if logical != "array" and "properties" not in schema:
            self.classification[pointer] = name or DEFAULT_CLASS

    @staticmethod
    def _nullable(schema: dict[str, Any], item: Property) -> dict[str, Any]:
        """A field that is not required may be null: so the standard defines `required`."""
        if item.get("required") or "type" not in schema:
            return schema
        widened = {**schema, "type": [schema["type"], "null"]}
        if "enum" in schema:
            widened["enum"] = [*schema["enum"], None]
        return widened
