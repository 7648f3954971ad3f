"""The decision on a transaction that is only asked about: the same code, read only."""

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from millrace.core import clock
from millrace.core.errors import RetryableError
from millrace.fraud.assess import assess
from millrace.fraud.decision import moment_of, user_of
from millrace.fraud.rulebook import Rulebook
from millrace.fraud.store import FeatureStore, User
from millrace.fraud.user import Transaction, UserSets, additions

IN_FLIGHT = 4


class Predictor:
    """Decides without storing anything or moving any count. Sets that are not there in time are decided without."""

    def __init__(self, store: FeatureStore, rulebook: Rulebook, *, features_budget_ms: int) -> None:
        self._store, self._rulebook = store, rulebook
        self._budget_seconds = features_budget_ms / 1000
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="features")

    def predict(self, org: str, payloads: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """One decision a payload, each as if it were the only one. The payloads keep their contract."""
        started = time.monotonic()
        users: list[User] = [(org, user_of(payload)) for payload in payloads]
        sets = self._sets(users)
        return [
            self._decide(org, payload, sets.get(user), started)
            for payload, user in zip(payloads, users, strict=True)
        ]

    def _sets(self, users: list[User]) -> dict[User, UserSets]:
        pending: Future[dict[User, UserSets]] = self._pool.submit(self._store.read, users)
        try:
            return pending.result(timeout=self._budget_seconds)
        except (RetryableError, TimeoutError):
            return {}

    def _decide(
        self, org: str, payload: Mapping[str, Any], before: UserSets | None, started: float
    ) -> dict[str, Any]:
        now = clock.now()
        # No event has an id like this, so a question never stands in for one.
        name = f"predict:{payload['transaction_id']}"
        transaction = Transaction.of(name, moment_of(payload) or now, payload)
        after = None if before is None else before.with_added(additions(before, [transaction]))
        decision = assess(transaction, before, after, self._rulebook.of(org), event_id=None)
        record = decision.record()
        return {
            "transactionId": record["transactionId"],
            "eventId": None,
            **{
                name: record[name]
                for name in ("score", "riskClass", "reasons", "modelScore", "modelVersion", "rulesVersion")
            },
            "features": record["features"],
            "fallback": record["fallback"],
            "decidedAt": clock.utc_text(now),
            "latencyMs": round((time.monotonic() - started) * 1000, 2),
        }
