"""Python types of a platform's contracts: a module with a TypedDict for each object and a client with a method for each type."""

import keyword
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_SCALARS = {"string": "str", "integer": "int", "number": "float | Decimal", "boolean": "bool"}
_HEAD = '''"""Types of the events of {url}. Written by `python -m millrace.client types`; write it anew, do not edit it."""

from decimal import Decimal
from typing import Any, Literal, NotRequired, TypedDict, Unpack

from millrace.client import Client, Envelope
'''


@dataclass(frozen=True, slots=True)
class Schema:
    """A contract's JSON Schema, as `GET /v1/schemas/{type}/{version}` answers it."""

    event_type: str
    version: str
    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        """`order.created` of version 1.2.0 is `OrderCreatedV1`."""
        return f"{_camel(self.event_type)}V{self.version.split('.')[0]}"

    @property
    def method(self) -> str:
        """`order.created` of version 1.2.0 is `order_created_v1`."""
        return f"{_words(self.event_type, '_')}_v{self.version.split('.')[0]}"


def module(url: str, schemas: list[Schema]) -> str:
    """The text of a module for these contracts. A client of it is `Events(url, key)`."""
    parts = [_HEAD.format(url=url)]
    methods = []
    for schema in schemas:
        data = schema.document["properties"]["data"]["properties"]
        classes = _Classes()
        payload = classes.type_of(schema.name, data["payload"])
        metadata = classes.type_of(
            f"{schema.name}Metadata", _not_null(data.get("metadata", {"type": "object"}))
        )
        parts += classes.texts
        summary = schema.document.get("description", schema.event_type)
        methods.append(
            f"    def {schema.method}(\n        self, payload: {payload}, *, metadata: {metadata} | None = None, "
            f"**envelope: Unpack[Envelope]\n    ) -> str:\n        {_docstring(summary)}\n"
            f'        envelope.setdefault("version", {schema.version!r})\n'
            f"        return self.send({schema.event_type!r}, payload, metadata=metadata, **envelope)\n"
        )
    events = 'class Events(Client):\n    """Sends events; each method takes one type."""\n\n' + "\n".join(
        methods
    )
    return "\n\n".join([*parts, events])


@dataclass
class _Classes:
    """The classes of one contract, each before the one that names it."""

    texts: list[str] = field(default_factory=list)

    def type_of(self, name: str, schema: Mapping[str, Any]) -> str:
        """The annotation of a value; `name` is what an object's class would be called."""
        if "enum" in schema:
            return f"Literal[{', '.join(repr(value) for value in schema['enum'])}]"
        if "const" in schema:
            return f"Literal[{schema['const']!r}]"
        given = schema.get("type")
        kinds = [given] if isinstance(given, str) else list(given or [])
        return " | ".join(self._kind(kind, name, schema) for kind in kinds) or "Any"

    def _kind(self, kind: str, name: str, schema: Mapping[str, Any]) -> str:
        match kind:
            case "null":
                return "None"
            case "array":
                return f"list[{self.type_of(f'{name}Item', schema.get('items', {}))}]"
            case "object" if schema.get("properties"):
                return self._object(name, schema)
            case "object":
                return "dict[str, Any]"
            case _:
                return _SCALARS.get(kind, "Any")

    def _object(self, name: str, schema: Mapping[str, Any]) -> str:
        fields = dict(self._fields(name, schema))
        if all(one.isidentifier() and not keyword.iskeyword(one) for one in fields):
            text = "\n".join(f"    {one}: {annotation}" for one, annotation in fields.items())
            self.texts.append(f"class {name}(TypedDict):\n{text}\n")
        else:  # a field that Python cannot name
            text = ", ".join(f"{one!r}: {annotation}" for one, annotation in fields.items())
            self.texts.append(f"{name} = TypedDict({name!r}, {{{text}}})\n")
        return name

    def _fields(self, name: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        required = set(schema.get("required", ()))
        for one, inner in schema["properties"].items():
            annotation = self.type_of(name + _camel(one), inner)
            yield one, annotation if one in required else f"NotRequired[{annotation}]"


def _not_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {**schema, "type": "object"}


def _docstring(text: str) -> str:
    return '"""' + text.replace("\\", "\\\\").replace('"', "'") + '"""'


def _words(name: str, glue: str) -> str:
    return glue.join(part for part in "".join(c if c.isalnum() else " " for c in name).split())


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in _words(name, " ").split())
