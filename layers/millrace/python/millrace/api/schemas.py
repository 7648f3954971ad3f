"""The registry of contracts as callers see it."""

from http import HTTPStatus
from typing import Any

from millrace.api import params
from millrace.contracts.contract import Contract
from millrace.contracts.registry import Registry, UnknownType, UnknownVersion
from millrace.core.http import Problem, Request


class SchemasApi:
    """Answers of the calls under `/v1/schemas`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def list(self, request: Request) -> dict[str, Any]:
        """Every contract in force, by type and version."""
        params.only(request, ())
        contracts = sorted(
            self._registry.contracts, key=lambda contract: (contract.event_type, contract.major)
        )
        return {"items": [_summary(contract) for contract in contracts], "cursor": None}

    def get(self, request: Request) -> dict[str, Any]:
        """The JSON Schema of a contract's `data`."""
        params.only(request, ("format",))
        wanted = request.query.get("format", "jsonschema")
        if wanted != "jsonschema":
            raise Problem(HTTPStatus.BAD_REQUEST, "format must be jsonschema")
        try:
            contract = self._registry.find(request.path.get("type", ""), request.path.get("version", ""))
        except (UnknownType, UnknownVersion) as error:
            raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
        return contract.data_schema


def _summary(contract: Contract) -> dict[str, Any]:
    return {
        "eventType": contract.event_type,
        "version": contract.version,
        "category": contract.category,
        "description": contract.description,
        "retentionDays": contract.retention_days,
    }
