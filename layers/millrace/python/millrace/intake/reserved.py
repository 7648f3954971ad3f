"""What no client may send: types that the platform alone derives, and its own names as the source."""

from typing import Any

from millrace.contracts.contract import RESERVED_NAMES
from millrace.contracts.errors import FieldError
from millrace.contracts.registry import Registry

# Alerts are the platform's, also those that no contract describes yet.
_TYPES = "alert."
_LENGTH = len(RESERVED_NAMES)


def problem(event: Any, org: str, principal: str, registry: Registry) -> FieldError | None:
    """Why only the platform may send this event; None where a client may.

    Args:
        event: what was parsed, of any JSON type.
        org: whose event it would be.
        principal: who sends it; its source if it names none.
        registry: the contracts in force.
    """
    if not isinstance(event, dict):
        return None
    event_type = event.get("eventType")
    if event_type.__class__ is str and is_reserved(event_type, org, registry):
        return FieldError("/eventType", "reserved_type", "events of this type are made by the platform alone")
    source = event.get("eventSource") or principal
    if source.__class__ is str and source[:_LENGTH].lower() == RESERVED_NAMES:
        message = f"names that begin with {RESERVED_NAMES} are the platform's own"
        return FieldError("/eventSource", "rule", message)
    return None


def is_reserved(event_type: str, org: str, registry: Registry) -> bool:
    """Whether a tenant may not send events of a type."""
    tenants = registry.derived_types.get(event_type)
    if tenants is None:
        return event_type.startswith(_TYPES)
    return org not in tenants
