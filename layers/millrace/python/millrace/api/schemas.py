"""The contract registry as callers see it."""

from http import HTTPStatus
from typing import Any

from millrace.api.route import Call
from millrace.contracts.contract import Contract
from millrace.contracts.registry import Registry
from millrace.core.http import Document, Problem

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

    def list(self, call: Call) -> dict[str, Any]:
        """Every contract in force, by type and version."""
        limit, after = call.values["limit"], call.after() or ""
        contracts = sorted((c for c in self._registry.contracts if c.name > after), key=lambda c: c.name)
        page = contracts[:limit]
        cursor = call.cursor(page[-1].name if len(contracts) > limit else None)
        return {"items": [_summary(contract) for contract in page], "cursor": cursor}

    def get(self, call: Call) -> Document:
        """A contract as JSON Schema, Avro, Protocol Buffers, or as it was written (ODCS, in JSON)."""
        form, event_type, version = call.values["format"], call.values["type"], call.values["version"]
        in_force = {str(major): one.version for major, one in self._registry.majors(event_type).items()}
        chosen = in_force.get(version, version)
        if any((one.event_type, one.version) == (event_type, chosen) for one in self._registry.published):
            return Document(self._registry.exported(event_type, chosen, form), _FORMS[form])
        raise Problem(HTTPStatus.NOT_FOUND, "no contract has this type and version")


def _summary(contract: Contract) -> dict[str, Any]:
    return {
        "eventType": contract.event_type,
        "version": contract.version,
        "category": contract.category,
        "description": contract.description,
        "retentionDays": contract.retention_days,
    }
