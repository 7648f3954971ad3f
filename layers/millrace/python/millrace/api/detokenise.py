"""From tokens back to values, for a purpose: each token with an event that has it, for nobody can turn a token back by itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from millrace.api.route import Call
from millrace.core import audit
from millrace.core.identity import identity_text
from millrace.core.limits import Limit
from millrace.core.table import Table
from millrace.eventstore.reader import EventReader
from millrace.privacy.reading import PersonalReads
from millrace.privacy.stored_form import Envelope
from millrace.rates.rates import TOKENS_A_SECOND, TOKENS_BURST_SECONDS, Rates

MOST_TOKENS = 100
LIMITS = (
    Limit("tokens of a call of detokenise", f"{MOST_TOKENS}", "400"),
    Limit(
        "tokens of a tenant, a second",
        f"{TOKENS_A_SECOND:g}, {TOKENS_A_SECOND * TOKENS_BURST_SECONDS:g} at once",
        "429",
    ),
)
ACTION = "personal.detokenise"


class Detokenise:
    """Answers of `POST /v1/detokenise`."""

    def __init__(self, reader: EventReader, reads: PersonalReads, metadata: Table, rates: Rates) -> None:
        """`metadata`: where the audit is."""
        self._reader, self._reads, self._metadata, self._rates = reader, reads, metadata, rates

    def post(self, call: Call) -> dict[str, Any]:
        """The value of each token in the order of the request, after the audit has the line.

        It is null where nobody can say it: it is not in that event, there is no such event, or the person was erased.

        Raises:
            Problem: 429, the tenant asks for more than the rate.
            MillraceError: a store did not answer.
        """
        asked: list[Mapping[str, str]] = call.body["tokens"]
        caller = call.request.authenticated
        self._rates.take_tokens(caller, len(asked))
        parts = self._parts(call.org, {identity_text(one["eventId"]) for one in asked})
        values = self._reads.by_token(call.org, parts)
        found = [values.get(identity_text(one["eventId"]), {}).get(one["token"]) for one in asked]
        detail = {
            "purpose": call.body["purpose"],
            "reason": call.body["reason"],
            "tokens": [dict(one) for one in asked],
            "found": sum(value is not None for value in found),
            "subjects": self._subjects(asked, parts, values),
        }
        audit.write(self._metadata, call.org, ACTION, caller.principal, detail, call.request.request_id)
        return {"values": [{**one, "value": value} for one, value in zip(asked, found, strict=True)]}

    def _parts(self, org: str, ids: set[str]) -> dict[str, Envelope]:
        """Event → what names and holds its values."""
        parts = {}
        for event_id in sorted(ids):
            event = self._reader.one(org, event_id)
            if event is not None:
                # Parsed one at a time, and of each only what is sealed is held.
                parts[event_id] = self._reads.sealed_part(event.body)
        return parts

    def _subjects(
        self,
        asked: Sequence[Mapping[str, str]],
        parts: Mapping[str, Envelope],
        values: Mapping[str, Mapping[str, str]],
    ) -> list[str]:
        """The people of whom values are told."""
        named = ((identity_text(one["eventId"]), one["token"]) for one in asked)
        told = {event for event, token in named if token in values.get(event, {})}
        return sorted({subject for event in told if (subject := self._reads.subject(parts[event]))})
