"""The body of a delivery that was verified, as candidates of intake: one for each message in it. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from millrace.contracts.errors import FieldError
from millrace.contracts.pointers import write
from millrace.core import clock, exact_json, limits
from millrace.eventstore.derived_ids import event_id
from millrace.feeders.binding import Binding, Webhook
from millrace.intake import array, parse
from millrace.intake.parse import Candidate
from millrace.intake.personal_data import called
from millrace.privacy.search import found_in
from millrace.webhooks.delivery import Delivery
from millrace.webhooks.mapping import UNKNOWN_TYPE, Provider, value

KIND = "webhook"


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes candidates of deliveries of one source.

    Attributes:
        binding: the source.
        webhook: its settings.
        provider: the mapping that it names; None: its body is kept, or is the payload of the type that it names.
    """

    binding: Binding
    webhook: Webhook
    provider: Provider | None

    def candidates(self, delivery: Delivery, body: bytes, received_at: datetime) -> list[Candidate]:
        """One candidate for each message; a body that is not JSON is one that is malformed.

        Args:
            delivery: as it was verified.
            body: of it, inflated.
            received_at: when it came; the moment of messages that have none.
        """
        parsed = _parsed(body)
        several = len(parsed) > 1
        return [self._candidate(one, delivery, received_at, several=several) for one in parsed]

    def _candidate(
        self, candidate: Candidate, delivery: Delivery, received_at: datetime, *, several: bool
    ) -> Candidate:
        message = candidate.event
        if candidate.error is not None:
            return candidate
        if not isinstance(message, dict):
            return replace(candidate, error=FieldError("", "type", "a message is a JSON object"))
        event = self._event(message)
        names = self._identity(message, delivery)
        if names is None:
            wanted = self.provider.ids if self.provider else (self.webhook.id_path,)
            sentence = f"the message is named by {', '.join(wanted)}, and not all of it is there"
            return replace(candidate, error=FieldError("", "missing", sentence))
        if several and self.provider is None and self.webhook.id_header:
            # One id names the delivery, and each of its messages has a place in it.
            names = (*names, str(candidate.index))
        made = {"eventId": event_id(self.binding.org, KIND, self.binding.name, *names), **event}
        error = self._personal(message)
        if "timestamp" in made:
            return Candidate(candidate.index, made, error=error)
        # Each delivery comes at another time, which is not part of what makes two deliveries the same event.
        return Candidate(
            candidate.index, {**made, "timestamp": clock.utc_text(received_at)}, error=error, sent=made
        )

    def _personal(self, message: dict[str, Any]) -> FieldError | None:
        """Why a message of any shape is not kept: it would lie in clear, whomever it names."""
        as_it_comes = self.provider is None and self.webhook.event_type is None
        if not as_it_comes or self.webhook.personal_data == "keep":
            return None
        found = next(found_in(message, ("data", "payload", "payload")), None)
        if found is None:
            return None
        sentence = (
            f"holds what looks like {called(found[1])}, and what is kept as it comes has no protected fields"
        )
        return FieldError(write(found[0]), "rule", sentence)

    def _event(self, message: dict[str, Any]) -> dict[str, Any]:
        if self.provider is not None:
            return self.provider.event(message, self.binding.name)
        event: dict[str, Any] = {"eventSource": self.binding.name}
        if self.webhook.event_type is not None:
            return {**event, "eventType": self.webhook.event_type, "data": {"payload": message}}
        payload = {"webhookId": self.binding.name, "source": self.binding.name, "payload": message}
        return {**event, "eventType": UNKNOWN_TYPE, "data": {"payload": payload}}

    def _identity(self, message: Mapping[str, Any], delivery: Delivery) -> tuple[str, ...] | None:
        if self.provider is not None:
            return self.provider.identity(message)
        if self.webhook.id_header:
            # It is signed, or stands for what is: without it the body names itself.
            given = delivery.headers.get(self.webhook.id_header, "")
            return (given,) if given else ("body", _text(message))
        if self.webhook.id_path:
            found = value(message, self.webhook.id_path)
            text = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
            return (text,) if text else None
        return ("body", _text(message))


def batches(candidates: list[Candidate]) -> Iterator[list[Candidate]]:
    """So many at once as intake takes."""
    for start in range(0, len(candidates), limits.EVENTS_PER_REQUEST):
        yield candidates[start : start + limits.EVENTS_PER_REQUEST]


def _text(message: Mapping[str, Any]) -> str:
    return exact_json.dumps(message).decode("utf-8", "surrogatepass")


def _parsed(body: bytes) -> list[Candidate]:
    """Without the limit on events that a request has: providers choose how many they send."""
    try:
        parsed, is_long = exact_json.loads(body)
    except orjson.JSONDecodeError:
        items = array.items(body)
        return [parse.parse_one(index, item) for index, item in enumerate([body] if items is None else items)]
    messages = parsed if isinstance(parsed, list) else [parsed]
    found = [Candidate(index, message) for index, message in enumerate(messages)]
    return [parse.exact(one) for one in found] if is_long else found
