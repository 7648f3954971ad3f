"""A working day of the platform: two tenants, each kind of event, refusals, a replay. And the state it ends in."""

import gc
import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from millrace.core.errors import RetryableError
from tests.support.faultpoints.calls import Calls
from tests.support.faultpoints.state import UNDECIDED, State, read_state
from tests.support.mappings import Crash, ManualClock, Queue, QueueMapping
from tests.support.mappings.context import FunctionContext
from tests.support.platform import ACME, GLOBEX, Platform
from tests.support.still import standing_still

TRIES = 8
SHOWN = 80
FIX = [{"op": "replace", "path": "/data/payload/totalAmount", "value": 45.48}]
_SETTLED = {"accepted": "in", "duplicate": "in", "rejected": "refused", "conflict": "conflict"}


class Story:
    """The same events by the same ids each time it is told, on stores that are emptied before."""

    def __init__(self, running: Platform, calls: Calls) -> None:
        self.running, self.calls = running, calls
        self._fed = self._told = 0
        running.around = calls.of
        calls.killed = running.restart_all
        # Within the hour, so that velocity counts them together wherever the hour turns.
        self._start = datetime.now(UTC) - timedelta(hours=30)

    def tell(self) -> State:
        """One day from empty stores to rest."""
        self._empty()
        self._told += 1
        if self._told % 8 == 0:
            # Copies of functions that were replaced end their threads when they are collected.
            gc.collect()
        self.running.restart_all()
        posted = self._client(
            [self._order(1), self._order(2), self._transaction(3), self._transaction(4)], ACME
        )
        posted |= self._client(
            [self._health(5), self._inference(6), self._order(7, totalAmount=-1), self._order(1)], ACME
        )
        # Another tenant's event under the same id, and one id with two stories.
        posted |= self._client([self._order(1), self._transaction(3, amount=7000)], GLOBEX)
        clash = self._client([self._order(2, totalAmount=45.479)], ACME)
        self._feed_bus()
        self._settle()
        self._replay()
        self._settle()
        self._minutes_pass()
        return read_state(self.running, posted, {f"again {key}": value for key, value in clash.items()})

    def _client(self, events: list[dict[str, Any]], org: str) -> dict[str, str]:
        """A client with retries: whatever has no answer yet goes out again, with the ids it has."""
        left = list(events)
        settled: dict[str, str] = {}
        for _ in range(TRIES):
            try:
                answer = self.running.post(left, org=org)
            except Crash:
                continue  # the gateway answers 500
            if answer["status"] == 500:
                continue
            results = answer["body"]["results"]
            for event, result in zip(left, results, strict=True):
                if result["status"] != "unavailable":
                    key = f"{org} {event['eventId'][-2:]} {event['data']['payload'].get('totalAmount', '')}"
                    settled[key] = _SETTLED[result["status"]]
            left = [e for e, result in zip(left, results, strict=True) if result["status"] == "unavailable"]
            if not left:
                return settled
        raise AssertionError(f"no answer in {TRIES} tries for {left}")

    def _feed_bus(self) -> None:
        """EventBridge's messages through the feeder's queue, under the mapping's own semantics."""
        # A clock of its own: the mappings' runs ahead with every retry, and nothing is refused in the future.
        clock = ManualClock(datetime.now(UTC) - timedelta(minutes=30))
        queue = Queue("feeder", clock, timedelta(minutes=3), max_receives=5)
        foreign = {"webhookId": "wh_1", "source": "stripe", "payload": {"id": "evt_1"}}
        hook = {"eventType": "integration.webhook.received"}
        for number, (detail, more) in enumerate(
            [(self._order(8), {}), (foreign, hook), (self._order(9, totalAmount=-1), {})]
        ):
            said = {"org": GLOBEX, "binding": "Shop", "eventType": "", "source": "shop", "detail": detail}
            said |= {"id": f"bridge-{number}", "time": self._moment(number), **more}
            queue.send(json.dumps(said), message_id=f"message-{number}")
        mapping = QueueMapping(
            "receive_bus_events",
            queue,
            lambda event, context: self.running.invoke("receive_bus_events", event, context),
            partial_answers=True,
        )
        mapping.run_until_idle()
        assert not queue.dead, mapping.errors

    def _settle(self) -> None:
        new = self.running.log_records()
        for data in new[self._fed :]:
            self.running.log.put("direct", data)
        self._fed = len(new)
        self.running.settle()

    def _replay(self) -> None:
        """An operator mends what was refused, and repeats the call until nothing is left to mend."""
        since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        request = {"filter": {"code": "minimum", "from": since}, "patch": FIX}
        for org in (ACME, GLOBEX):
            for _ in range(TRIES):
                try:
                    answer = self.running.call("/v1/quarantine/replay", request, org=org)
                except Crash:
                    continue
                if answer["status"] == 200 and answer["body"]["matched"] == 0:
                    break
            else:
                raise AssertionError(f"something is left to replay for {org}")

    def _minutes_pass(self) -> None:
        """The functions of each minute, until they have got through it."""
        for stem in ("fold_tiles", "sweep_timers"):
            for tries in range(TRIES):
                # A fold that was killed ends with its lease.
                with standing_still(datetime.now(UTC) + timedelta(minutes=5 * (1 + tries))):
                    try:
                        self.running.invoke(stem, {}, FunctionContext(stem, "r"))
                    except (Crash, RetryableError):
                        continue
                    break
            else:
                raise AssertionError(f"{stem} does not get through")

    def _empty(self) -> None:
        self.running.empty(keys_too=True)
        self._fed = len(self.running.log_records())

    def _moment(self, number: int) -> str:
        at = self._start + timedelta(minutes=number)
        return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

    def _event(self, number: int, event_type: str, payload: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {
            "eventId": str(uuid.UUID(int=number, version=4)),
            "eventType": event_type,
            "timestamp": self._moment(number),
            "data": {"payload": payload, "metadata": {}},
            **more,
        }

    def _order(self, number: int, **changes: Any) -> dict[str, Any]:
        items = [{"productId": "sku_beans", "quantity": 2, "price": 19.99}]
        items += [{"productId": "sku_paper", "quantity": 1, "price": 5.5}]
        payload = {"orderId": f"ord_{number}", "userId": "usr_1", "items": items, "totalAmount": 45.48}
        return self._event(
            number, "order.created", {**payload, "currency": "EUR", **changes}, sessionId="ses_1"
        )

    def _transaction(self, number: int, **changes: Any) -> dict[str, Any]:
        payload = {
            "transaction_id": f"txn_{number}",
            # A user each: what a decision counts of a user's other transactions depends on which came first.
            "user_id": 590 + number,
            "amount": 57.16,
            "merchant": "terminal_3156",
            "timestamp": self._moment(number),
            "is_fraud": False,
            "payment_method": "credit_card",
            "location": "Lisbon, Portugal",
            "device_id": "dev_7f3a",
        }
        return self._event(number, "transaction.created", {**payload, **changes})

    def _health(self, number: int) -> dict[str, Any]:
        payload = {"serviceName": "checkout", "status": "healthy", "responseTime": 12.5, "errorCount": 0}
        return self._event(number, "system.health.check", payload)

    def _inference(self, number: int) -> dict[str, Any]:
        payload = {"modelId": "churn", "modelVersion": "3", "input": {"orders": 4}, "output": {"score": 0.2}}
        return self._event(number, "ml.model.inference", {**payload, "confidence": 0.9})


def different(expected: State, actual: State) -> Iterable[str]:
    """What differs between two ends, in words.

    A decision whose sets could not be had in time is made without them, says so and stands: that is its design, and
    no difference here.
    """
    for name, wanted in expected.items():
        for key in sorted(set(wanted) | set(actual[name]), key=str):
            without = actual[name].get(key) == UNDECIDED and name in ("events", "bus") and key in wanted
            if wanted.get(key) != actual[name].get(key) and not without:
                yield f"{name} {key}: {_short(actual[name].get(key))} instead of {_short(wanted.get(key))}"


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= SHOWN else f"…{len(said)} characters, {hash(said) & 0xFFFF:04x}"
