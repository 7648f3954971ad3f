"""Intake's own steps before a store is asked, as `Intake` takes them."""

from datetime import datetime

import orjson

from millrace.contracts import registry
from millrace.contracts.errors import FieldError
from millrace.contracts.registry import Registry
from millrace.eventstore import content
from millrace.intake.enrich import Origin, enrich
from millrace.intake.parse import Candidate, candidates
from millrace.intake.validate import Refused, Valid, validate

JSON = "application/json"


def judged(body: bytes, contracts: Registry, now: datetime) -> list[tuple[Candidate, Valid | Refused]]:
    """Bytes of a request to one verdict per event."""
    made: list[tuple[Candidate, Valid | Refused]] = []
    for candidate in candidates(body, JSON):
        said = content.read(candidate.event)
        if isinstance(said, FieldError):
            made.append((candidate, Refused([said])))
        else:
            event, canonical = said
            made.append((candidate, validate(event, len(canonical), contracts, now)))
    return made


def stored(body: bytes, contracts: Registry, origin: Origin) -> list[bytes]:
    """Bytes of a request to the bytes of its events' stored envelopes."""
    return [
        orjson.dumps(enrich(candidate.event, verdict.contract, origin, verdict.happened_at))
        for candidate, verdict in judged(body, contracts, origin.received_at)
        if isinstance(verdict, Valid)
    ]


def contracts() -> Registry:
    """The contracts of this checkout."""
    return registry.load()
