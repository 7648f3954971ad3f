"""Fraud decisions: those that were made, and those that are only asked for."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson

from millrace.api import params
from millrace.contracts import pointers
from millrace.contracts.discretion import Discretion
from millrace.contracts.errors import FieldError
from millrace.contracts.registry import Registry
from millrace.core import clock, exact_json, limits
from millrace.core.http import Problem, Request
from millrace.eventstore import content
from millrace.eventstore.emit import derived_id
from millrace.eventstore.heads import Heads
from millrace.eventstore.reader import EventReader
from millrace.eventstore.row import StoredEvent
from millrace.fraud.decision import CONSUMER, EVENT_TYPE, SOURCE_TYPE, answer
from millrace.fraud.predict import Predictor
from millrace.intake.validate import too_large

MOST = 100
# A transaction id that many events share is looked through this far, newest first; no body is read meanwhile.
LOOKED_AT = 2000
_PAYLOAD = re.compile(r"^/data/payload")
# Of a name that is no transaction's: an answer is no larger than what was asked.
_SHOWN = 256
_NO_EVENT = "00000000-0000-4000-8000-000000000000"


def decision_id(event: StoredEvent) -> str | None:
    """The id of the decision on an event; None for one that is no transaction."""
    if event.event_type != SOURCE_TYPE:
        return None
    return derived_id(CONSUMER, event, EVENT_TYPE)


class DecisionsApi:
    """Answers of `GET /v1/fraud/decisions/{transactionId}`, and with `?transactionId=` for ids that no path holds."""

    def __init__(self, reader: EventReader, heads: Heads) -> None:
        self._reader, self._heads = reader, heads

    def get(self, request: Request) -> dict[str, Any]:
        """The decision on a transaction; the newest, should several events carry one transaction id.

        What the platform did not derive is no decision, however many of it there are: clients could once send events of
        this type, and they may send as many transactions of one id as they like.
        """
        by_query = "transactionId" not in request.path
        params.only(request, ("transactionId",) if by_query else ())
        org = request.authenticated.org
        transaction = (request.query if by_query else request.path).get("transactionId", "")
        if by_query and not transaction:
            raise Problem(HTTPStatus.BAD_REQUEST, "transactionId is missing")
        if transaction and len(transaction) <= 256:
            for number, found in enumerate(self._heads.of_entity(org, "transaction", transaction)):
                if number == LOOKED_AT:
                    # Not 404: there may be one behind them.
                    raise Problem(
                        HTTPStatus.SERVICE_UNAVAILABLE,
                        f"the newest {LOOKED_AT} events of this transaction hold no decision yet",
                    )
                if found.event_type != EVENT_TYPE or not found.derived:
                    continue
                event = self._reader.get(org, found.event_id)
                if event is not None and "derivedFrom" in event.envelope["platform"]:
                    return answer(event.envelope["data"]["payload"])
        raise Problem(HTTPStatus.NOT_FOUND, "there is no decision on such a transaction")


class PredictApi:
    """Answers of `POST /v1/predict` and `/v1/predict/batch`. They store nothing and move no count."""

    def __init__(self, predictor: Predictor, registry: Registry) -> None:
        self._predictor, self._registry = predictor, registry

    def one(self, request: Request) -> dict[str, Any]:
        """The decision on a transaction's payload."""
        params.only(request, ())
        payload = _body(request)
        if not isinstance(payload, dict):
            raise Problem(HTTPStatus.BAD_REQUEST, "the body is the payload of a transaction, an object")
        errors = self._errors(payload)
        if errors:
            raise Problem(HTTPStatus.BAD_REQUEST, "this is no transaction", errors=_told(errors))
        return self._predictor.predict(request.authenticated.org, [payload])[0]

    def batch(self, request: Request) -> dict[str, Any]:
        """One result a payload, in order: a decision, or what is wrong with this one."""
        params.only(request, ())
        payloads = _body(request)
        if not isinstance(payloads, list) or not payloads:
            raise Problem(HTTPStatus.BAD_REQUEST, f"the body is an array of 1 to {MOST} payloads")
        if len(payloads) > MOST:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MOST} payloads a call")
        results: list[dict[str, Any]] = []
        sound: list[tuple[int, Mapping[str, Any]]] = []
        for index, payload in enumerate(payloads):
            errors = self._errors(payload)
            name = payload.get("transaction_id") if isinstance(payload, dict) else None
            results.append(
                {"transactionId": name[:_SHOWN] if isinstance(name, str) else None, "errors": _told(errors)}
            )
            if not errors:
                sound.append((index, payload))
        if sound:
            org = request.authenticated.org
            decided = self._predictor.predict(org, [payload for _, payload in sound])
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
            place = pointers.write(Discretion(contract).shown(path))
            return [FieldError(place, "malformed", exact_json.TOO_LONG)]
        said = content.read(event)
        if isinstance(said, FieldError):
            return [said]
        judged, canonical = said
        if len(canonical) > limits.BYTES_PER_EVENT:
            return [too_large(len(canonical))]
        return self._registry.validator(contract).errors(judged)


def _body(request: Request) -> Any:
    try:
        return exact_json.loads(request.body)[0]
    except orjson.JSONDecodeError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is no JSON") from error


def _told(errors: list[FieldError]) -> list[dict[str, str]]:
    return [
        {"pointer": _PAYLOAD.sub("", error.pointer), "code": error.code, "message": error.message}
        for error in errors
    ]
