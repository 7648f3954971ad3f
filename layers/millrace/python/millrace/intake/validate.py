"""Judges one event against its contract and against the clock. Pure: it reads nothing but its arguments."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from millrace.contracts.contract import Contract
from millrace.contracts.errors import UnknownType, UnknownVersion
from millrace.contracts.registry import Registry
from millrace.contracts.validator import FieldError
from millrace.core import clock, limits
from millrace.intake.enrich import user_in_payload


@dataclass(slots=True)
class Valid:
    """An event that its contract takes. Nothing changes it."""

    contract: Contract
    happened_at: datetime
    # Older than its type is kept.
    is_history: bool = False


@dataclass(slots=True)
class Refused:
    """Why an event is not taken, and by which contract, where one was found. Nothing changes it."""

    errors: list[FieldError]
    contract: Contract | None = None


def validate(
    event: Any,
    size: int,
    registry: Registry,
    received_at: datetime,
    takes_any_id: Callable[[], bool] = lambda: False,
    *,
    history: bool = False,
) -> Valid | Refused:
    """The verdict on one event.

    Args:
        event: what was parsed, of any JSON type.
        size: bytes of its canonical JSON.
        registry: the contracts in force.
        received_at: when the request came; the accepted range of timestamps, and whether a major has ended, hang on it.
        takes_any_id: whether the tenant's events may have any id; asked only where the contract refuses one.
        history: whether it may be older than its type is kept.
    """
    if size > limits.BYTES_PER_EVENT:
        return Refused([too_large(size)])
    if not isinstance(event, dict):
        return Refused([FieldError("", "type", "an event is a JSON object")])
    event_type, version = event.get("eventType"), event.get("version")
    if not isinstance(event_type, str) or not (version is None or isinstance(version, str)):
        return Refused(registry.envelope_errors(event))
    try:
        contract = registry.find(event_type, version)
    except UnknownType as error:
        return Refused(
            [*registry.envelope_errors(event), FieldError("/eventType", "unknown_type", str(error))]
        )
    except UnknownVersion as error:
        return Refused(
            [*registry.envelope_errors(event), FieldError("/version", "unknown_version", str(error))]
        )
    end = contract.retirement
    if end is not None and end.is_over(received_at):
        sentence = f"version {contract.major} ended on {end.ends}; send version {end.by}"
        return Refused(
            [*registry.envelope_errors(event), FieldError("/version", "unknown_version", sentence)], contract
        )
    errors = registry.validator(contract).errors(event)
    if any(error.pointer == "/eventId" for error in errors) and takes_any_id():
        errors = registry.validator(contract, ids="any").errors(event)
    if errors:
        return Refused(errors, contract)
    try:
        happened_at = clock.parse(event["timestamp"])
    except ValueError:
        # Its text is sound, but in UTC it lies beyond the year 9999.
        return Refused([_out_of_range(contract, received_at, history=history)], contract)
    oldest, newest = _range(received_at, contract.retention_days)
    if not (limits.OLDEST if history else oldest) <= happened_at <= newest:
        errors.append(_out_of_range(contract, received_at, history=history))
    if (outside := event.get("userId")) is not None and user_in_payload(event, contract) not in (
        None,
        outside,
    ):
        errors.append(FieldError("/userId", "rule", f"must equal {contract.user_id_pointer}"))
    return Refused(errors, contract) if errors else Valid(contract, happened_at, happened_at < oldest)


def too_large(size: int) -> FieldError:
    """Why an event is not taken whose canonical JSON has so many bytes."""
    message = f"an event holds at most {limits.BYTES_PER_EVENT} bytes, got {size}"
    return FieldError("", "too_large", message)


def _out_of_range(contract: Contract, received_at: datetime, *, history: bool) -> FieldError:
    oldest, newest = _range(received_at, contract.retention_days)
    first = limits.OLDEST if history else oldest
    message = f"must be between {clock.utc_text(first)} and {clock.utc_text(newest)}"
    return FieldError("/timestamp", "timestamp_range", message)


@lru_cache(maxsize=64)
def _range(received_at: datetime, retention_days: int) -> tuple[datetime, datetime]:
    """The same for all events of a request whose contracts keep them equally long."""
    return received_at - timedelta(days=retention_days - 1), received_at + limits.AHEAD
