"""Decisions on the log's transactions: grouped by user, counted, judged, and each decision appended as an event.

Each stage has a budget. If a user's sets cannot be read or counted within theirs, the decision is made without them, its
record names that (`fallback`), and the batch is retried: the decision stands, and the retry completes the sets. If a
champion cannot be loaded, the decision is made without it and nothing is retried: its score stands beside the decision,
not in it.

The budget is for each user, not for the batch: a user's decision does not get worse because of others in the batch. It is
that of a warm function: opening the first connections and loading the first models has a budget of its own, as the log can
wait.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from millrace.core import clock
from millrace.core.consumer import Delivery, uncollected
from millrace.core.errors import RetryableError
from millrace.core.identity import identity_text
from millrace.core.table import Item
from millrace.core.worker_pool import WorkerPool
from millrace.eventstore.codec import Codec
from millrace.eventstore.emit import Emitter, PlatformEvent, derived
from millrace.eventstore.row import StoredEvent, from_item
from millrace.fraud.bound import beyond
from millrace.fraud.decision import CONSUMER, EVENT_TYPE, SOURCE_TYPE, assess, moment_of, user_of
from millrace.fraud.rulebook import Rulebook
from millrace.fraud.store import Read, RowFullError, User, UserSetStore
from millrace.fraud.user import Transaction, UserSets, additions, stale
from millrace.scoring.answer import ModelResult
from millrace.scoring.batch import US_PER_MS, Batch, ScoringRequest
from millrace.scoring.champions import Champions

IN_FLIGHT = 16
# Rows are read a hundred a call, and a full row takes some 3 MB of memory: no more are held at once.
USERS_AT_ONCE = 100
# Full rows take long to read: a read that times out is repeated in parts of this many users.
FEW_USERS = 25
# Rules are arithmetic: a batch that needs longer shows that the function is too small.
DECIDE_BUDGET_MS = 50


@dataclass(slots=True)
class _BatchTransaction:
    """A transaction of a batch. Immutable by convention."""

    event: StoredEvent
    happened_at: datetime
    user: User
    transaction: Transaction


@dataclass(slots=True)
class _Sets:
    before: UserSets
    after: UserSets


class Scorer:
    """Decides on batches. Every delivery of a transaction derives the same event."""

    def __init__(
        self,
        store: UserSetStore,
        emitter: Emitter,
        rulebook: Rulebook,
        codec: Codec,
        *,
        features_budget_ms: int,
        champions: Champions | None = None,
        model_budget_ms: int = 0,
        cold_budget_ms: int = 0,
        contract_of: Callable[[str], object] = lambda _: None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """Joins what it decides with.

        Args:
            store: of the users' sets and the online features.
            emitter: takes the decisions.
            rulebook: the rules of every tenant.
            codec: reads the stored events.
            features_budget_ms: for reading some users' sets, and then for counting each user.
            champions: of every tenant; without them no model is used.
            model_budget_ms: to wait for champions that have to be loaded, per batch.
            cold_budget_ms: added to each of the two until sets were read for the first time.
            contract_of: raises NotDeployedError for a contract (`transaction.created/1.2.0`) that is not in force here.
            now: the clock.
        """
        self._contract_of = contract_of
        self._store, self._emitter, self._rulebook, self._codec = store, emitter, rulebook, codec
        self._budget_ms, self._now = features_budget_ms, now
        self._champions, self._model_budget_ms = champions, model_budget_ms
        self._cold_budget_ms = cold_budget_ms
        self._workers = WorkerPool(IN_FLIGHT, "features")

    def score(self, deliveries: Sequence[Delivery]) -> None:
        """Decides on the transactions of a batch.

        Raises:
            PermanentError: a delivery holds no row of an event.
            RetryableError: not every decision is stored, or not every transaction is counted.
        """
        with uncollected():
            self._score(deliveries)

    def _score(self, deliveries: Sequence[Delivery]) -> None:
        cases = self._cases(deliveries)
        if not cases:
            return
        users: dict[User, list[_BatchTransaction]] = {}
        for case in cases:
            users.setdefault(case.user, []).append(case)
        names = list(users)
        failures = []
        for start in range(0, len(names), USERS_AT_ONCE):
            some = {user: users[user] for user in names[start : start + USERS_AT_ONCE]}
            if (failure := self._score_users(some)) is not None:
                failures.append(failure)
        if failures:
            raise failures[0]

    def _score_users(self, users: dict[User, list[_BatchTransaction]]) -> RetryableError | None:
        """Decides on the transactions of some users; returns why not all are counted, if not all."""
        cases = [case for of_user in users.values() for case in of_user]
        begun = time.monotonic()
        models = self._models(cases)
        started = time.monotonic()
        sets, rows, failure = self._features(users, models.keys())
        counted = time.monotonic()
        results = models.answers(rows)
        scored = time.monotonic()
        records = [
            self._decide(case, sets.get(case.user), model) for case, model in zip(cases, results, strict=True)
        ]
        stages = {
            "features": {"ms": _ms(counted - started), "budgetMs": self._budget_ms},
            "decide": {"ms": _ms(time.monotonic() - scored), "budgetMs": DECIDE_BUDGET_MS},
        }
        if models.in_force:
            spent = started - begun + scored - counted
            stages["model"] = {"ms": _ms(spent), "budgetMs": self._model_budget_ms}
        at = self._now()
        text = clock.utc_text(at)
        pairs = zip(cases, records, strict=True)
        decisions = [_decision(case, record, at, text, stages) for case, record in pairs]
        self._emitter.emit(decisions, alike=True)
        if failure is None:
            self._cold_budget_ms = 0
        return failure

    def _models(self, cases: Sequence[_BatchTransaction]) -> Batch:
        requests = [
            ScoringRequest(
                case.event.org, case.transaction.payload, clock.epoch_millis(case.happened_at) * US_PER_MS
            )
            for case in cases
        ]
        return Batch(self._champions, requests, (self._model_budget_ms + self._cold_budget_ms) / 1000)

    def _cases(self, deliveries: Sequence[Delivery]) -> list[_BatchTransaction]:
        cases: dict[tuple[str, str], _BatchTransaction] = {}
        for delivery in deliveries:
            if delivery.item["eventType"]["S"] != SOURCE_TYPE:
                continue
            event = from_item(delivery.item, self._codec)
            self._contract_of(event.envelope["platform"]["contract"])
            org, event_id, happened_at = event.org, event.event_id, event.happened_at
            payload = event.envelope["data"]["payload"]
            transaction = Transaction.of(event_id, moment_of(payload) or happened_at, payload)
            user = org, user_of(payload)
            cases[(org, identity_text(event_id))] = _BatchTransaction(event, happened_at, user, transaction)
        return list(cases.values())

    def _features(
        self, users: dict[User, list[_BatchTransaction]], keys: Sequence[str]
    ) -> tuple[dict[User, _Sets], Mapping[str, Item] | None, RetryableError | None]:
        """The users' sets that were counted within the budget, the online rows, and why not all, if not all."""
        cold = self._cold_budget_ms / 1000
        try:
            before, rows = self._read(list(users), keys, cold + self._budget_ms / 1000)
        except RetryableError as error:
            return {}, None, error
        turns = -(-len(users) // IN_FLIGHT)
        end = time.monotonic() + cold + turns * self._budget_ms / 1000
        left = deque(users.items())
        sets: dict[User, _Sets] = {}
        failures: list[RetryableError] = []
        full: set[User] = set()

        def work() -> None:
            # Each worker takes users until none is left or the time is over.
            while time.monotonic() < end:
                try:
                    user, cases = left.popleft()
                except IndexError:
                    return
                try:
                    after = self._add(user, [case.transaction for case in cases], before[user])
                except RetryableError as error:
                    failures.append(error)
                except RowFullError:
                    # A retry would not make room; the next batch reads the row as it is, and drops what it can.
                    full.add(user)
                else:
                    sets[user] = _Sets(before[user], after)

        try:
            self._within(end, work, len(users))
        except RetryableError as error:
            failures.append(error)
        counted = dict(sets)
        if len(counted) + len(full) < len(users) and not failures:
            failures.append(_spent())
        return counted, rows, failures[0] if failures else None

    def _read(self, users: Sequence[User], keys: Sequence[str], seconds: float) -> Read:
        """Sets and rows, in one read or in parts; `seconds` for each read.

        Raises:
            RetryableError: the table did not answer, or not in time.
        """
        read: list[Read] = []
        try:
            self._within(time.monotonic() + seconds, lambda: read.append(self._store.read(users, keys)), 1)
        except _SpentError:
            if len(users) <= FEW_USERS:
                raise
            parts = [
                # The other rows come with the first.
                self._read(users[start : start + FEW_USERS], () if start else keys, seconds)
                for start in range(0, len(users), FEW_USERS)
            ]
            sets = {user: own for part in parts for user, own in part.sets.items()}
            return Read(sets, parts[0].rows)
        return read[0]

    def _within(self, end: float, work: Callable[[], object], workers: int) -> None:
        try:
            self._workers.run(work, workers, max(0.0, end - time.monotonic()))
        except TimeoutError as error:
            raise _spent() from error

    def _add(self, user: User, transactions: Sequence[Transaction], before: UserSets) -> UserSets:
        now = self._now()
        window_ms = self._rulebook.of(user[0]).window_ms
        added = additions(before, transactions)
        dropped = stale(before, transactions, window_ms, clock.epoch_millis(now))
        dropped += beyond(before, dropped, clock.epoch_millis(now))
        if not added and not dropped:
            return before
        # Attributes that the row drops with this batch still count in it.
        return before.joined(self._store.add(user, added, dropped, now))

    def _decide(self, case: _BatchTransaction, sets: _Sets | None, model: ModelResult) -> dict[str, Any]:
        # Only the record is kept: a batch holds thousands of objects, and the garbage collector visits each.
        return assess(
            case.transaction,
            sets.before if sets else None,
            sets.after if sets else None,
            self._rulebook.of(case.user[0]),
            event_id=case.event.event_id,
            happened_at=case.happened_at,
            model=model,
        ).record()


class _SpentError(RetryableError):
    """The time for a step is over."""


def _spent() -> RetryableError:
    return _SpentError("features: the budget is spent")


def _decision(
    case: _BatchTransaction, record: dict[str, Any], at: datetime, decided_at: str, stages: dict[str, Any]
) -> PlatformEvent:
    """The event of a decision; `record` becomes its payload."""
    received_at = clock.parse(case.event.envelope["platform"]["receivedAt"])
    record["userId"] = case.user[1]
    record["amount"] = case.transaction.payload.get("amount")
    record["decidedAt"] = decided_at
    record["latencyMs"] = max(0.0, _ms((at - received_at).total_seconds()))
    record["stages"] = stages
    return derived(
        CONSUMER, case.event, EVENT_TYPE, record, happened_at=case.happened_at, received_at=decided_at
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
