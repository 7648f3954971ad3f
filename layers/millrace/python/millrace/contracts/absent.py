"""An optional field that is null is one that is absent: decoders of Avro and many serializers write it so."""

from typing import Any

from millrace.contracts import envelope
from millrace.contracts.contract import Contract


def without_nulls(event: dict[str, Any], contract: Contract) -> dict[str, Any]:
    """A copy of a valid event without the optional fields that are null.

    Only fields that the contract or the envelope declares: a null in a free object, or in a field that the contract does
    not know, may mean anything and stays.
    """
    kept: dict[str, Any] = _without(event, envelope.schema(contract.data_schema))
    return kept


def _without(value: Any, schema: dict[str, Any]) -> Any:
    if isinstance(value, dict) and "properties" in schema:
        parts = schema["properties"]
        return {
            name: _without(inner, parts[name]) if name in parts else inner
            for name, inner in value.items()
            if inner is not None or name not in parts
        }
    if isinstance(value, list) and "items" in schema:
        return [_without(item, schema["items"]) for item in value]
    return value
