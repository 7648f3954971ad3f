"""The published schemas by the names under which other systems' registries have them: subjects, numbers of versions, ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import orjson

from millrace.contracts.registry import Published, Registry

AVRO, JSON = "AVRO", "JSON"
_SUFFIXES = {"-value": AVRO, "-json": JSON}
# Their word → the bundle's.
_FORMS = {AVRO: "avro", JSON: "jsonschema"}


@dataclass(frozen=True, slots=True)
class Schema:
    """A published version in one form, under the names that other systems' clients use."""

    subject: str
    version: int
    form: str
    id: int
    published: Published


class Subjects:
    """Every published version in every form."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def named(self, name: str) -> Sequence[Schema]:
        """The versions of a subject, however a serializer calls it: see the table in docs/clients.md; empty where there is none."""
        exact = self.by_subject.get(name)
        if exact is not None:
            return exact
        json_topic = self.by_subject.get(f"{name.removesuffix('.json-value')}-json")
        if name.endswith(".json-value") and json_topic is not None:
            return json_topic
        # Record names hold no hyphen, and topics may.
        return self._by_record.get(name.rpartition("-")[2], ())

    def of_id(self, number: str) -> Sequence[Schema]:
        """The versions that have this id; empty where there is none."""
        return [one for versions in self.by_subject.values() for one in versions if str(one.id) == number]

    def text(self, schema: Schema) -> str:
        """The schema itself."""
        one = schema.published
        return self._registry.exported(one.event_type, one.version, _FORMS[schema.form]).decode()

    @cached_property
    def by_subject(self) -> Mapping[str, Sequence[Schema]]:
        """Subject → its versions, oldest first."""
        grouped: dict[str, list[Schema]] = {}
        for schema in schemas(self._registry):
            grouped.setdefault(schema.subject, []).append(schema)
        return grouped

    @cached_property
    def _by_record(self) -> Mapping[str, Sequence[Schema]]:
        """Record name of a serializer → its schemas: Avro's full name, of one major, and the title of a JSON Schema."""
        grouped: dict[str, list[Schema]] = {}
        for schema in (one for versions in self.by_subject.values() for one in versions):
            document = orjson.loads(self.text(schema))
            record = (
                f"{document['namespace']}.{document['name']}" if schema.form == AVRO else document["title"]
            )
            grouped.setdefault(record, []).append(schema)
        return grouped


def schemas(registry: Registry) -> list[Schema]:
    """Every published version in every form, by subject and version."""
    listed = [
        Schema(f"{one.event_type}{suffix}", one.number, form, one.ids[_FORMS[form]], one)
        for one in registry.published
        for suffix, form in _SUFFIXES.items()
    ]
    return sorted(listed, key=lambda schema: (schema.subject, schema.version))
