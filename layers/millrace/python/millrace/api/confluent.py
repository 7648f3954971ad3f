"""The registry as Confluent's clients read it: subjects, versions, ids. Reading only; contracts change by a deploy.

A type is two subjects: `<type>-value` is its Avro, `<type>-json` its JSON Schema. Every version of its contracts that was ever
published is a version, in the order of publication. An id is a hash of the schema's text, so it is the same in every
environment, and for ever.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from millrace.api.route import Call
from millrace.contracts.registry import Published, Registry
from millrace.core.http import Document

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
AVRO, JSON = "AVRO", "JSON"
_SUFFIXES = {"-value": AVRO, "-json": JSON}
# Confluent's word → the bundle's.
_FORMS = {AVRO: "avro", JSON: "jsonschema"}


@dataclass(frozen=True, slots=True)
class Schema:
    """A published version in one form, under the names that Confluent's clients use."""

    subject: str
    version: int
    form: str
    id: int
    published: Published


class ConfluentApi:
    """Answers of the calls under `/subjects` and `/schemas`."""

    def __init__(self, registry: Registry) -> None:
        self._registry, self._schemas = registry, schemas(registry)

    def subjects(self, _: Call) -> Document:
        """Every subject."""
        return _document(sorted({schema.subject for schema in self._schemas}))

    def versions(self, call: Call) -> Document:
        """The versions of a subject."""
        versions = self._of(call.values["subject"])
        if not versions:
            return _error(40401, "Subject not found.")
        return _document([schema.version for schema in versions])

    def version(self, call: Call) -> Document:
        """One version of a subject, by number or as `latest`."""
        versions = self._of(call.values["subject"])
        if not versions:
            return _error(40401, "Subject not found.")
        name = call.values["version"]
        chosen = versions[-1:] if name == "latest" else [one for one in versions if str(one.version) == name]
        if not chosen:
            return _error(40402, "Version not found.")
        (schema,) = chosen
        named = {"subject": schema.subject, "version": schema.version, "id": schema.id}
        return _document({**named, **self._body(schema)})

    def by_id(self, call: Call) -> Document:
        """A schema by its id."""
        for schema in self._schemas:
            if str(schema.id) == call.values["id"]:
                return _document(self._body(schema))
        return _error(40403, "Schema not found")

    def _body(self, schema: Schema) -> dict[str, Any]:
        # Confluent leaves schemaType out for Avro.
        kind = {} if schema.form == AVRO else {"schemaType": schema.form}
        return {**kind, "schema": self._text(schema)}

    def _text(self, schema: Schema) -> str:
        one = schema.published
        return self._registry.exported(one.event_type, one.version, _FORMS[schema.form]).decode()

    def _of(self, subject: str) -> list[Schema]:
        return [schema for schema in self._schemas if schema.subject == subject]


def schemas(registry: Registry) -> list[Schema]:
    """Every published version in every form, by subject and version."""
    found = [
        Schema(f"{one.event_type}{suffix}", one.number, form, one.ids[_FORMS[form]], one)
        for one in registry.published
        for suffix, form in _SUFFIXES.items()
    ]
    return sorted(found, key=lambda schema: (schema.subject, schema.version))


def _document(payload: object) -> Document:
    return Document(payload, MEDIA_TYPE)


def _error(code: int, message: str) -> Document:
    return Document({"error_code": code, "message": message}, MEDIA_TYPE, HTTPStatus.NOT_FOUND)
