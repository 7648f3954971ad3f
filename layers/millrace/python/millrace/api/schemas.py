"""The registry of contracts as callers see it."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from millrace.api import params
from millrace.contracts import avro, json_schema, protobuf
from millrace.contracts.contract import Contract
from millrace.contracts.registry import Registry, UnknownType, UnknownVersion
from millrace.core.http import Document, Problem, Request


class SchemasApi:
    """Answers of the calls under `/v1/schemas`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._formats: dict[str, Callable[[Contract], Document]] = {
            "jsonschema": lambda contract: Document(json_schema.export(contract), "application/schema+json"),
            "avro": lambda contract: Document(avro.export(contract), "application/json"),
            "protobuf": lambda contract: Document(
                protobuf.export(contract).encode(), "text/plain; charset=utf-8"
            ),
            "odcs": lambda contract: Document(registry.odcs(contract), "application/json"),
        }

    def list(self, request: Request) -> dict[str, Any]:
        """Every contract in force, by type and version."""
        params.only(request, ())
        contracts = sorted(
            self._registry.contracts, key=lambda contract: (contract.event_type, contract.major)
        )
        return {"items": [_summary(contract) for contract in contracts], "cursor": None}

    def get(self, request: Request) -> Document:
        """A contract as JSON Schema, Avro, Protocol Buffers, or as it was written (ODCS, in JSON)."""
        params.only(request, ("format",))
        export = self._formats.get(request.query.get("format", "jsonschema"))
        if export is None:
            raise Problem(HTTPStatus.BAD_REQUEST, f"format must be one of {', '.join(self._formats)}")
        try:
            contract = self._registry.find(request.path.get("type", ""), request.path.get("version", ""))
        except (UnknownType, UnknownVersion) as error:
            raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
        return export(contract)


def _summary(contract: Contract) -> dict[str, Any]:
    return {
        "eventType": contract.event_type,
        "version": contract.version,
        "category": contract.category,
        "description": contract.description,
        "retentionDays": contract.retention_days,
    }
