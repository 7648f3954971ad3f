"""The door of webhooks, which the gateway leaves open: a signature decides, and before it is verified nothing is read.

Whoever is not believed gets one answer, whether there is no such source, no secret, or another signature. A message that is
refused is in quarantine, and the provider is not asked to send it again; where a store does not answer it is, and then all that was
taken is a duplicate.
"""

import hashlib
import hmac
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from millrace.api.route import Call
from millrace.core import clock, limits, metrics
from millrace.core.http import JSON, Caller, Document, Problem
from millrace.eventstore.append import AppendResult
from millrace.feeders.binding import Binding
from millrace.feeders.states import States
from millrace.intake import parse, refusals
from millrace.intake.accept import Intake
from millrace.intake.case import EventResult
from millrace.intake.enrich import Origin
from millrace.rates.rates import Rates
from millrace.webhooks.delivery import Delivery, SignatureError, Verify
from millrace.webhooks.messages import KIND, Reader, batches
from millrace.webhooks.secrets import SecretStore

SERVICE, REFUSED = "webhooks", "WebhooksNotBelieved"
RETRY_SECONDS = {"paused": 300, "unavailable": 5}
_COUNTED = {
    "accepted": AppendResult.ACCEPTED,
    "duplicates": AppendResult.DUPLICATE,
    "conflicts": AppendResult.CONFLICT,
    "rejected": AppendResult.REJECTED,
}
# Of the work for a source that there is not. Nothing is ever signed with it.
_NOBODY = os.urandom(32)


@dataclass(frozen=True, slots=True)
class Door:
    """What a source's deliveries meet: its scheme of signatures, what makes candidates of them, and as whom they are counted."""

    verify: Verify
    reader: Reader
    caller: Caller


class WebhooksApi:
    """Answers `POST /v1/webhooks/{binding}`."""

    def __init__(
        self,
        doors: Mapping[str, Door],
        secrets: SecretStore,
        states: States,
        intake: Intake,
        rates: Rates,
        environment: str,
        log: Callable[..., Any],
    ) -> None:
        """Makes no call.

        Args:
            doors: by the name of the source.
            secrets: of the sources.
            states: whether they are paused.
            intake: takes the events.
            rates: of tenants; a source is a credential of its tenant.
            environment: stands on metrics.
            log: takes a line for each delivery.
        """
        self._doors, self._secrets, self._states = doors, secrets, states
        self._intake, self._rates, self._environment, self._log = intake, rates, environment, log

    def receive(self, call: Call) -> Document:
        """Takes a delivery, and answers how many of its messages were what.

        Raises:
            Problem: 413, it is too large; 401, it is not believed; 503, the source is paused or a store does not answer;
                429, the tenant's sources send too much; 415 or 400, its encoding is none that is read.
        """
        request = call.request
        if len(request.body) > limits.BYTES_PER_WEBHOOK:
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"a delivery holds at most {limits.BYTES_PER_WEBHOOK >> 20} MB",
            )
        delivery = Delivery(request.route.partition(" ")[0], request.url, request.headers, request.body)
        door = self._believed(call.values["binding"], delivery)
        binding, received_at = door.reader.binding, clock.now()
        if self._states.paused(binding.org, binding.name):
            raise _later("paused", "this source is paused: send it again later")
        body = parse.body_of(request.body, request.headers, limits.BYTES_PER_WEBHOOK)
        found = door.reader.candidates(delivery, body, received_at)
        headers = self._rates.take_events(door.caller, len(found))
        results: list[EventResult] = []
        for number, batch in enumerate(batches(found)):
            # The refused of a request are one object, so each batch is a request.
            name = f"{request.request_id}-{number}" if number else request.request_id
            origin = Origin(binding.org, binding.name, name, received_at, kind=KIND)
            results += self._intake.accept(batch, origin)
        refusals.emit_metrics(results, self._environment)
        counts = Counter(result.outcome for result in results)
        self._log("webhook", extra={"org": binding.org, "source": binding.name, "events": len(results)})
        if counts[AppendResult.UNAVAILABLE]:
            raise _later("unavailable", "not every message could be stored now: send all of them again")
        told = {name: counts[outcome] for name, outcome in _COUNTED.items()}
        return Document(told, JSON, HTTPStatus.OK, headers)

    def _believed(self, name: str, delivery: Delivery) -> Door:
        """The door of a delivery that its source's provider has signed.

        Raises:
            Problem: 401.
        """
        door = self._doors.get(name)
        if door is None:
            # As much work as for the usual scheme.
            hmac.new(_NOBODY, delivery.body, hashlib.sha256).digest()
            raise self._not_believed("unknown", "there is no such source")
        now = clock.now()
        known = self._secrets.good(name, now)
        why = _why_not(door, delivery, known, now)
        if why is not None and (fresh := self._secrets.good(name, now, again=True)) != known:
            # The secret was rotated since it was read.
            why = _why_not(door, delivery, fresh, now)
        if why is not None:
            raise self._not_believed(name, why)
        return door

    def _not_believed(self, name: str, why: str) -> Problem:
        """The answer, which is always the same; only the log says of which source, and why."""
        metrics.emit(SERVICE, self._environment, {REFUSED: (1.0, MetricUnit.Count)})
        self._log("webhook not believed", extra={"source": name, "why": why})
        return Problem(HTTPStatus.UNAUTHORIZED, "no source of this name takes a delivery signed so")


def doors(readers: Sequence[Reader], verify_of: Callable[[Reader], Verify]) -> dict[str, Door]:
    """The door of each source, by name."""
    return {one.binding.name: Door(verify_of(one), one, _caller(one.binding)) for one in readers}


def _caller(source: Binding) -> Caller:
    return Caller(source.org, source.name, frozenset(), kind="source", id=f"source:{source.name}")


def _why_not(door: Door, delivery: Delivery, secrets: Sequence[str], now: datetime) -> str | None:
    """Why a delivery is not believed, in words that show nothing of secrets; None if it is."""
    try:
        door.verify(delivery, secrets, now)
    except SignatureError as error:
        return str(error)
    return None


def _later(why: str, detail: str) -> Problem:
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"retry-after": str(RETRY_SECONDS[why])})
