"""The registry of contracts as callers see it."""

from http import HTTPStatus
from typing import Any

from millrace.api import params
from millrace.contracts.contract import Contract
from millrace.contracts.registry import Registry
from millrace.core.http import Document, Problem, Request

_QUERY = {"list": "schemas"}
# Form of a contract, as the bundle has it → media type.
_FORMS = {
    "jsonschema": "application/schema+json",
    "avro": "application/json",
    "protobuf": "text/plain; charset=utf-8",
    "odcs": "application/json",
}


class SchemasApi:
    """Answers of the calls under `/v1/schemas`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def list(self, request: Request) -> dict[str, Any]:
        """Every contract in force, by type and version."""
        params.only(request, ("limit", "cursor"))
        limit, cursor = params.limit(request), params.Cursor(request.authenticated.org, _QUERY)
        after = cursor.read(request, bool) or ""
        contracts = sorted((c for c in self._registry.contracts if c.name > after), key=lambda c: c.name)
        page = contracts[:limit]
        following = cursor.write(page[-1].name) if len(contracts) > limit else None
        return {"items": [_summary(contract) for contract in page], "cursor": following}

    def get(self, request: Request) -> Document:
        """A contract as JSON Schema, Avro, Protocol Buffers, or as it was written (ODCS, in JSON)."""
        params.only(request, ("format",))
        form = request.query.get("format", "jsonschema")
        if form not in _FORMS:
            raise Problem(HTTPStatus.BAD_REQUEST, f"format must be one of {', '.join(_FORMS)}")
        wanted = request.path.get("version", "")
        for contract in self._registry.majors(request.path.get("type", "")).values():
            if wanted in (str(contract.major), contract.version):
                return Document(self._registry.exported(contract, form), _FORMS[form])
        raise Problem(HTTPStatus.NOT_FOUND, "no contract has this type and version")


def _summary(contract: Contract) -> dict[str, Any]:
    return {
        "eventType": contract.event_type,
        "version": contract.version,
        "category": contract.category,
        "description": contract.description,
        "retentionDays": contract.retention_days,
    }
