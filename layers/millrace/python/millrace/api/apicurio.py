"""The registry as Apicurio's clients read it, by version 3 of their API: an artifact is a subject, in whatever group.

Its two ids of a version, of the place and of the content, are one here: the id of the schema's text.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from millrace.api.route import Call
from millrace.api.subjects import Schema, Subjects
from millrace.core.http import JSON, Document, Problem

_BASE = "/apis/registry/v3"
_VERSION = f"{_BASE}/groups/{{group}}/artifacts/{{artifact}}/versions/{{version}}"


class ApicurioApi:
    """Answers of the calls that serializers and deserializers make."""

    def __init__(self, subjects: Subjects) -> None:
        self._published = subjects

    def functions(self) -> dict[str, Callable[[Call], Any]]:
        """The function of each route."""
        return {
            f"GET {_VERSION}": self._described,
            f"GET {_VERSION}/content": lambda call: self._content(self._version(call)),
            f"GET {_BASE}/ids/globalIds/{{id}}": lambda call: self._content(self._of_id(call)),
            f"GET {_BASE}/ids/contentIds/{{id}}": lambda call: self._content(self._of_id(call)),
        }

    def _described(self, call: Call) -> dict[str, Any]:
        schema = self._version(call)
        return {
            "groupId": call.values["group"],
            "artifactId": call.values["artifact"],
            "version": str(schema.version),
            "artifactType": schema.form,
            "globalId": schema.id,
            "contentId": schema.id,
            "state": "ENABLED",
        }

    def _content(self, schema: Schema) -> Document:
        ids = {"x-registry-globalid": str(schema.id), "x-registry-contentid": str(schema.id)}
        return Document(self._published.text(schema).encode(), JSON, HTTPStatus.OK, ids)

    def _version(self, call: Call) -> Schema:
        """Of an expression: a number, `latest`, or `branch=latest`."""
        versions, wanted = self._published.named(call.values["artifact"]), call.values["version"]
        if versions and wanted.removeprefix("branch=") == "latest":
            return versions[-1]
        matches = [one for one in versions if str(one.version) == wanted]
        if not matches:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such artifact, or no such version of it")
        return matches[0]

    def _of_id(self, call: Call) -> Schema:
        schemas = self._published.of_id(call.values["id"])
        if not schemas:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no schema of this id")
        return schemas[0]
