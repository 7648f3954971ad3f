"""One event of a request on its way through intake, and its result."""

import re
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

from millrace.contracts.contract import Contract
from millrace.contracts.validator import FieldError
from millrace.core import exact_json
from millrace.core.table import Item
from millrace.eventstore import content
from millrace.eventstore.append import AppendResult
from millrace.eventstore.fingerprint import spelled
from millrace.eventstore.row import Envelope
from millrace.intake import discretion
from millrace.intake.enrich import Origin
from millrace.intake.parse import Candidate
from millrace.quarantine.entry import QuarantineEntry, quarantine_id
from millrace.quarantine.mentions import Mentioned

# What may be meant as a version; another text in its place may be anything.
_VERSION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,3}")
REFUSED = frozenset({AppendResult.REJECTED, AppendResult.CONFLICT})
Judged = tuple[Contract, Envelope, content.Content]
"""Of a valid event: its contract, its envelope, and the content that its client sent."""


@dataclass(slots=True)
class EventResult:
    """The result of one event of a request."""

    index: int
    event_id: str | None
    event_type: str | None = None
    outcome: AppendResult = AppendResult.UNAVAILABLE
    errors: list[FieldError] = field(default_factory=list)
    quarantine_id: str | None = None
    # Pointers of fields that were left out of what is stored, because the contract does not declare them.
    dropped: tuple[str, ...] = ()
    # Pointers of fields that were left out because the person has not agreed to what they are for.
    masked: tuple[str, ...] = ()
    # Refused for what a person has asked for or has not agreed to; not every caller is told.
    withheld: bool = False
    # The id that it would have in quarantine, where it is kept nowhere because of whom it names.
    unkept_id: str | None = None
    # Whether it may be kept if it is refused.
    kept: bool = True
    # Older than its type is kept: if it is taken, it goes into the lake alone.
    history: bool = False


@dataclass(slots=True)
class Case:
    """One event of a request: its candidate, its result, its envelope once it is valid, and its row once that is made."""

    candidate: Candidate
    result: EventResult
    contract: Contract | None = None
    valid: Judged | None = None
    # What is stored of it, where consents leave less than the envelope.
    heeded: Envelope | None = None
    item: Item = field(default_factory=dict)

    @property
    def key(self) -> str:
        return str(self.item["eventId"]["S"])


def is_same(leader: Case, case: Case) -> bool:
    """Whether both have the same result."""
    if leader.item["fingerprint"] != case.item["fingerprint"]:
        return False
    # A row with an older fingerprint holds numbers as they were written: it may conflict with one and equal the other.
    return leader.result.outcome is not AppendResult.CONFLICT or (
        spelled(leader.candidate.event) == spelled(case.candidate.event)
    )


def case_of(candidate: Candidate) -> Case:
    """A candidate before it is judged."""
    event = candidate.event if isinstance(candidate.event, dict) else {}
    result = EventResult(candidate.index, _text(event.get("eventId")), _text(event.get("eventType")))
    return Case(candidate, result)


def _text(value: Any) -> str | None:
    return value[:256] if isinstance(value, str) else None


def entry_of(case: Case, origin: Origin, named: Mentioned, types: Container[str]) -> QuarantineEntry:
    """A refused event as the quarantine keeps it.

    Args:
        case: the event.
        origin: whose it is.
        named: whom it may be about; their ids stand in no open part of it.
        types: those that contracts describe.
    """
    event = case.candidate.event if isinstance(case.candidate.event, dict) else {}

    def told(name: str) -> str | None:
        text = _text(event.get(name))
        return text if text is not None and discretion.is_open(text, named.users) else None

    event_type, version = _text(event.get("eventType")), _text(event.get("version"))
    return QuarantineEntry(
        quarantine_id=quarantine_id(origin.request_id, case.candidate.index, origin.received_at),
        index=case.candidate.index,
        raw=case.candidate.raw_bytes(),
        errors=tuple(e.to_json() for e in case.result.errors),
        event_id=told("eventId"),
        event_type=event_type if event_type in types else told("eventType"),
        version=version if version is not None and _VERSION.fullmatch(version) else None,
        contract=case.contract.ref if case.contract is not None else None,
        principal=origin.principal,
        form=case.candidate.form,
        sent=_sent(case),
        users=named.users,
        whole=named.whole,
    )


def texts_of(case: Case) -> tuple[bytes, bytes | None]:
    """What is kept of an event, in which everybody is looked for whom it may be about."""
    return case.candidate.raw_bytes(), _sent(case)


def written(case: Case) -> bytes | None:
    """The event that its bytes were read as."""
    return None if case.candidate.event is None else exact_json.dumps(case.candidate.event)


def _sent(case: Case) -> bytes | None:
    return None if case.candidate.sent is None else exact_json.dumps(case.candidate.sent)
