"""Fraud decisions: those that were made, and those that are only asked for."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from millrace.api.route import Call
from millrace.contracts import pointers
from millrace.contracts.errors import FieldError
from millrace.contracts.redaction import Redaction
from millrace.contracts.registry import Registry
from millrace.core import clock, exact_json, limits
from millrace.core.http import Problem
from millrace.eventstore import content
from millrace.eventstore.emit import derived_id
from millrace.eventstore.heads import Heads
from millrace.eventstore.reader import EventReader
from millrace.eventstore.row import StoredEvent
from millrace.fraud.decision import CONSUMER, EVENT_TYPE, SOURCE_TYPE, answer
from millrace.fraud.predict import Predictor
from millrace.intake.validate import too_large

# A transaction id that many events share is looked through this far, newest first; no body is read meanwhile.
LOOKED_AT = 2000
_PAYLOAD = "/data/payload"
# Characters; no transaction that was ever taken in has a longer id.
_LONGEST = 256
# Of a name that is not a transaction's: an answer is no larger than what was asked.
_SHOWN = 256
_NO_EVENT = "00000000-0000-4000-8000-000000000000"


def decision_id(event: StoredEvent) -> str | None:
    """The id of the decision on an event; None for one that is not a transaction."""
    if event.event_type != SOURCE_TYPE:
        return None
    return derived_id(CONSUMER, event, EVENT_TYPE)


class DecisionsApi:
    """Answers of `GET /v1/fraud/decisions/{transactionId}`, and with `?transactionId=` for ids that no path holds."""

    def __init__(self, reader: EventReader, heads: Heads) -> None:
        self._reader, self._heads = reader, heads

    def get(self, call: Call) -> dict[str, Any]:
        """The decision on a transaction; the newest, should several events carry one transaction id.

        What the platform did not derive is not a decision, however many of it there are: clients could once send events of
        this type, and they may send as many transactions of one id as they like.
        """
        org, transaction = call.org, call.values["transactionId"]
        if len(transaction) <= _LONGEST:
            for number, head in enumerate(self._heads.of_entity(org, "transaction", transaction)):
                if number == LOOKED_AT:
                    # Not 404: there may be one behind them.
                    raise Problem(
                        HTTPStatus.SERVICE_UNAVAILABLE,
                        f"the newest {LOOKED_AT} events of this transaction hold no decision yet",
                    )
                if head.event_type != EVENT_TYPE or not head.derived:
                    continue
                event = self._reader.get(org, head.event_id)
                if event is not None and "derivedFrom" in event.envelope["platform"]:
                    return answer(event.envelope["data"]["payload"])
        raise Problem(HTTPStatus.NOT_FOUND, "there is no decision on such a transaction")


class PredictApi:
    """Answers of `POST /v1/predict` and `/v1/predict/batch`. They store nothing and move no count."""

    def __init__(self, predictor: Predictor, registry: Registry) -> None:
        self._predictor, self._registry = predictor, registry

    def one(self, call: Call) -> dict[str, Any]:
        """The decision on a transaction's payload."""
        payload = call.body
        if not isinstance(payload, dict):
            raise Problem(HTTPStatus.BAD_REQUEST, "the body is the payload of a transaction, an object")
        errors = self._errors(payload)
        if errors:
            raise Problem(HTTPStatus.BAD_REQUEST, "this is not a transaction", errors=_in_payload(errors))
        return self._predictor.predict(call.org, [payload])[0]

    def batch(self, call: Call) -> dict[str, Any]:
        """One result a payload, in order: a decision, or what is wrong with this one."""
        payloads: list[Any] = call.body
        results: list[dict[str, Any]] = []
        sound: list[tuple[int, Mapping[str, Any]]] = []
        for index, payload in enumerate(payloads):
            errors = self._errors(payload)
            name = payload.get("transaction_id") if isinstance(payload, dict) else None
            results.append(
                {
                    "transactionId": name[:_SHOWN] if isinstance(name, str) else None,
                    "errors": _in_payload(errors),
                }
            )
            if not errors:
                sound.append((index, payload))
        if sound:
            decided = self._predictor.predict(call.org, [payload for _, payload in sound])
            for (index, _), decision in zip(sound, decided, strict=True):
                results[index] = decision
        return {"results": results}

    def _errors(self, payload: Any) -> list[FieldError]:
        """Judges a payload as intake would judge the event that carries it."""
        event = {
            "eventId": _NO_EVENT,
            "eventType": SOURCE_TYPE,
            "timestamp": clock.utc_text(clock.now()),
            "data": {"payload": payload},
        }
        contract = self._registry.find(SOURCE_TYPE)
        path = exact_json.beyond(event)
        if path is not None:
            place = pointers.write(Redaction(contract).shown(path))
            return [FieldError(place, "malformed", exact_json.TOO_LONG)]
        result = content.read(event)
        if isinstance(result, FieldError):
            return [result]
        exact, canonical = result
        if len(canonical) > limits.BYTES_PER_EVENT:
            return [too_large(len(canonical))]
        return self._registry.validator(contract).errors(exact)


def _in_payload(errors: list[FieldError]) -> list[dict[str, str]]:
    """Errors of an event as those of its payload, which is all that was sent."""
    return [
        {"pointer": error.pointer.removeprefix(_PAYLOAD), "code": error.code, "message": error.message}
        for error in errors
    ]
