"""The decision on a transaction that a caller of /v1/predict sends: read only.

The caller names users by their ids; sets and features are those of the numbers that are stored in their places.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from millrace.core import clock
from millrace.core.errors import RetryableError
from millrace.fraud.decision import answer, assess, moment_of, user_of
from millrace.fraud.rulebook import Rulebook
from millrace.fraud.store import User, UserSetStore
from millrace.fraud.user import Transaction, UserSets, additions
from millrace.scoring.answer import ModelResult
from millrace.scoring.batch import US_PER_MS, Batch, ScoringRequest
from millrace.scoring.champions import Champions

IN_FLIGHT = 4
T = TypeVar("T")
# (tenant, users' ids) → what is stored in place of each.
Stored = Callable[[str, Iterable[str]], Mapping[str, str]]


class Predictor:
    """Decides without storing anything or changing any count. Inputs that are not read in time are left out."""

    def __init__(
        self,
        store: UserSetStore,
        rulebook: Rulebook,
        stored: Stored,
        *,
        features_budget_ms: int,
        champions: Champions | None = None,
        model_budget_ms: int = 0,
    ) -> None:
        """Joins what it decides with.

        Args:
            store: of the users' sets and the online features.
            rulebook: the rules of every tenant.
            stored: gives what is stored in place of users' ids.
            features_budget_ms: for reading, of people and then of features.
            champions: of every tenant; without them no model is used.
            model_budget_ms: to wait for a champion that has to be loaded.
        """
        self._store, self._rulebook, self._stored = store, rulebook, stored
        self._budget_seconds = features_budget_ms / 1000
        self._champions, self._model_seconds = champions, model_budget_ms / 1000
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="features")

    def predict(self, org: str, payloads: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """One decision for each payload, each as if it were the only one. The payloads must be valid under their contract."""
        started, now = time.monotonic(), clock.now()
        moments = [moment_of(payload) or now for payload in payloads]
        named = [user_of(payload) for payload in payloads]
        stored = self._within(lambda: self._stored(org, {*named}))
        if stored is not None:
            payloads = [
                {**payload, "user_id": int(stored[user])}
                for payload, user in zip(payloads, named, strict=True)
            ]
        requests = [
            ScoringRequest(org, payload, clock.epoch_millis(moment) * US_PER_MS)
            for payload, moment in zip(payloads, moments, strict=True)
        ]
        models = Batch(self._champions, requests, self._model_seconds)
        users: list[User] = [(org, user_of(payload)) for payload in payloads]
        # Without people nothing is found: what has a user's own id is not the user's.
        read = None if stored is None else self._within(lambda: self._store.read(users, models.keys()))
        results = models.answers(read.rows if read else None)
        sets = read.sets if read else {}
        return [
            self._decide(
                org, Transaction.of(_event_id(payload), moment, payload), sets.get(user), model, started
            )
            for payload, moment, user, model in zip(payloads, moments, users, results, strict=True)
        ]

    def _within(self, read: Callable[[], T]) -> T | None:
        """What a read gives; None if it fails, or not in time."""
        pending: Future[T] = self._pool.submit(read)
        try:
            return pending.result(timeout=self._budget_seconds)
        except (RetryableError, TimeoutError):
            return None

    def _decide(
        self, org: str, transaction: Transaction, before: UserSets | None, model: ModelResult, started: float
    ) -> dict[str, Any]:
        after = None if before is None else before.with_added(additions(before, [transaction]))
        decision = assess(transaction, before, after, self._rulebook.of(org), event_id=None, model=model)
        record = decision.record()
        record["decidedAt"] = clock.utc_text(clock.now())
        record["latencyMs"] = round((time.monotonic() - started) * 1000, 2)
        return answer(record)


def _event_id(payload: Mapping[str, Any]) -> str:
    """No event has an id of this form, so a request is never taken for an event."""
    return f"predict:{payload['transaction_id']}"
