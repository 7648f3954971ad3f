"""The registry as Confluent's clients read it: subjects, versions, ids. Reading only; contracts change by a deploy.

Every version of a type's contracts that was ever published is a version of its subjects, in the order of publication. An id is a
hash of the schema's text, so it is the same in every environment, and for ever. Serializers find a type under the names that they
make of a topic and a record (`api/subjects.py`), and may "register" what is there already.
"""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

import orjson

from millrace.api.route import Call
from millrace.api.subjects import AVRO, JSON, Schema, Subjects
from millrace.core.http import Document, Problem

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
# The largest of our schemas have 30 KB.
MAX_BYTES = 1024 * 1024
NOT_FOUND, INVALID, READ_ONLY = HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, "READONLY"


class ConfluentError(Exception):
    """An answer in Confluent's form: its code, and the status that goes with it."""

    def __init__(self, code: int, message: str, status: HTTPStatus = NOT_FOUND) -> None:
        super().__init__(message)
        self.document = Document({"error_code": code, "message": message}, MEDIA_TYPE, status)


class ConfluentApi:
    """Answers of the calls under `/subjects`, `/schemas`, `/config`, `/mode` and `/contexts`."""

    def __init__(self, subjects: Subjects) -> None:
        self._published = subjects

    def functions(self) -> dict[str, Callable[[Call], Document]]:
        """The function of each route; a Confluent error of one is its answer."""
        version = "/subjects/{subject}/versions/{version}"
        routes: dict[str, Callable[[Call], Any]] = {
            "GET /subjects": self._subjects,
            "POST /subjects/{subject}": self._look_up,
            "GET /subjects/{subject}/versions": lambda call: _page(
                [one.version for one in self._subject(call)], call
            ),
            "POST /subjects/{subject}/versions": self._register,
            f"GET {version}": lambda call: self._whole(self._version(call)),
            f"GET {version}/schema": lambda call: self._published.text(self._version(call)).encode(),
            "GET /schemas": self._all,
            "GET /schemas/types": lambda _: [JSON, AVRO],
            "GET /schemas/ids/{id}": lambda call: self._body(self._of_id(call)[0]),
            "GET /schemas/ids/{id}/schema": lambda call: self._published.text(self._of_id(call)[0]).encode(),
            "GET /schemas/ids/{id}/subjects": lambda call: _page(
                [one.subject for one in self._of_id(call)], call
            ),
            "GET /schemas/ids/{id}/versions": lambda call: [
                {"subject": one.subject, "version": one.version} for one in self._of_id(call)
            ],
            # The gate refuses what breaks inside a major; a subject holds all majors.
            "GET /config": lambda _: {"compatibilityLevel": "NONE"},
            "GET /config/{subject}": lambda call: self._subject(call) and {"compatibilityLevel": "NONE"},
            "GET /mode": lambda _: {"mode": READ_ONLY},
            "GET /mode/{subject}": lambda call: self._subject(call) and {"mode": READ_ONLY},
            "GET /contexts": lambda _: ["."],
        }
        return {route: _answering(function) for route, function in routes.items()}

    def _subjects(self, call: Call) -> list[str]:
        prefix = _prefix(call)
        return _page([name for name in self._published.by_subject if name.startswith(prefix)], call)

    def _all(self, call: Call) -> list[dict[str, Any]]:
        prefix, latest = _prefix(call), call.request.query.get("latestOnly") == "true"
        matches = [
            schema
            for name, versions in self._published.by_subject.items()
            if name.startswith(prefix)
            for schema in (versions[-1:] if latest else versions)
        ]
        return [self._whole(schema) for schema in _page(matches, call)]

    def _look_up(self, call: Call) -> dict[str, Any]:
        versions = self._subject(call)
        return self._whole(self._same(versions, call) or _raise(40403, "Schema not found"))

    def _register(self, call: Call) -> dict[str, Any]:
        subject = call.values["subject"]
        schema = self._same(self._subject(call), call)
        if schema is None:
            message = f"Subject {subject} is in read-only mode: contracts change by a deploy of Millrace"
            raise ConfluentError(42205, message, INVALID)
        return {"id": schema.id}

    def _same(self, versions: Sequence[Schema], call: Call) -> Schema | None:
        """The version whose schema says the same, however it is written."""
        if len(call.request.body) > MAX_BYTES:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body holds at most {MAX_BYTES} bytes")
        try:
            document = orjson.loads(call.request.body)
            form, sent = document.get("schemaType", AVRO), orjson.loads(document["schema"])
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            raise ConfluentError(42201, 'Invalid schema: send {"schema": "…"}', INVALID) from None
        for schema in reversed(versions):
            if schema.form == form and orjson.loads(self._published.text(schema)) == sent:
                return schema
        return None

    def _version(self, call: Call) -> Schema:
        versions, name = self._subject(call), call.values["version"]
        if name in ("latest", "-1"):
            return versions[-1]
        if not name.isascii() or not name.isdigit() or int(name[:10]) < 1:
            message = f"The specified version '{name[:40]}' is not a valid version id: a number from 1, or \"latest\"."
            raise ConfluentError(42202, message, INVALID)
        chosen = [one for one in versions if str(one.version) == name]
        return chosen[0] if chosen else _raise(40402, "Version not found.")

    def _subject(self, call: Call) -> Sequence[Schema]:
        name = call.values["subject"]
        return self._published.named(name) or _raise(40401, f"Subject '{name[:200]}' not found.")

    def _of_id(self, call: Call) -> Sequence[Schema]:
        return self._published.of_id(call.values["id"]) or _raise(40403, "Schema not found")

    def _whole(self, schema: Schema) -> dict[str, Any]:
        named = {"subject": schema.subject, "version": schema.version, "id": schema.id}
        return {**named, **self._body(schema)}

    def _body(self, schema: Schema) -> dict[str, Any]:
        # Confluent leaves schemaType out for Avro.
        kind = {} if schema.form == AVRO else {"schemaType": schema.form}
        return {**kind, "schema": self._published.text(schema)}


def _answering(function: Callable[[Call], Any]) -> Callable[[Call], Document]:
    def answer(call: Call) -> Document:
        try:
            return Document(function(call), MEDIA_TYPE)
        except ConfluentError as error:
            return error.document

    return answer


def _raise(code: int, message: str) -> Any:
    raise ConfluentError(code, message)


def _prefix(call: Call) -> str:
    # The context of all schemas may be named: `:.:` is the default one, `:*:` is all.
    prefix = call.request.query.get("subjectPrefix", "")
    return prefix.removeprefix(":.:").removeprefix(":*:")


def _page(items: Sequence[Any], call: Call) -> list[Any]:
    offset, limit = (_number(call, name) for name in ("offset", "limit"))
    first = max(offset or 0, 0)
    return list(items[first : first + limit] if limit is not None and limit >= 0 else items[first:])


def _number(call: Call, name: str) -> int | None:
    text = call.request.query.get(name, "")
    return int(text) if text.removeprefix("-").isascii() and text.removeprefix("-").isdigit() else None
