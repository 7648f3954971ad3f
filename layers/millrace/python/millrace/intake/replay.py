"""Replay of refused events: found, repaired with a JSON Patch, tried or appended, and recorded in the audit."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from millrace.contracts.validator import FieldError
from millrace.core import clock, exact_json, limits, sizes
from millrace.eventstore.append import AppendResult
from millrace.intake.accept import Intake
from millrace.intake.case import EventResult
from millrace.intake.enrich import Origin
from millrace.intake.parse import PROTOBUF, Candidate, parse_one
from millrace.intake.patches import BadPatchError, NotApplicableError, Patch
from millrace.intake.reach import Reach
from millrace.quarantine import entry as entries
from millrace.quarantine.store import Filter, QuarantineStore, Refusal

__all__ = ["EVENTS_PER_CALL", "PASSED", "BadPatchError", "Replayer"]

EVENTS_PER_CALL = 500
# The work of one call: bytes of events, each counted once and once more for each operation of the patch.
WORK_BYTES = 64 * 1024 * 1024
# Nothing more is begun after this. What has begun may wait for the table as long as intake does, within 29 s.
SECONDS = 3.0
# Claimed, repaired and appended together, so that a call that is cut off leaves few claims.
ROUND_EVENTS = 50
ROUND_BYTES = 2 * 1024 * 1024
# Of the errors that a replay ended with, as the refused event remembers it.
ERRORS_OF_AN_ATTEMPT = 3
LIMITS = (
    limits.Limit("events of a replay or discard", f"{EVENTS_PER_CALL}", "a `cursor` for the rest"),
    limits.Limit(
        "bytes of a replay's events, times one and the patch's operations",
        f"{WORK_BYTES >> 20} MB",
        "a `cursor` for the rest",
    ),
)
PASSED = frozenset({AppendResult.ACCEPTED, AppendResult.DUPLICATE})


@dataclass(slots=True)
class _Call:
    """What a call has done, and its bounds."""

    operations: int
    deadline: float
    most: int
    results: list[dict[str, Any]] = field(default_factory=list)
    passed: int = 0
    replayed: int = 0
    work: int = 0
    answer: int = 0
    taken: int = 0
    last: str | None = None  # the id of the last refused event that was taken
    more: bool = False

    def rounds(self, refusals: Iterator[Refusal], now: Callable[[], float]) -> Iterator[list[Refusal]]:
        """Refused events in rounds, until nothing is left or the call has done enough; one round always."""
        some: list[Refusal] = []
        size = 0
        for refusal in refusals:
            if some and (len(some) == ROUND_EVENTS or size + refusal.size > ROUND_BYTES):
                yield some
                some, size = [], 0
            cost = refusal.size * (1 + self.operations)
            full = self.taken == self.most or self.work + cost > WORK_BYTES
            if self.taken and (full or self.answer > sizes.BYTES or now() > self.deadline):
                self.more = True
                break
            some.append(refusal)
            size += refusal.size
            self.work += cost
            self.taken += 1
            self.last = refusal.quarantine_id
        if some:
            yield some

    def add(self, result: dict[str, Any]) -> None:
        """Adds the result of one."""
        self.results.append(result)
        self.answer += sizes.of(orjson.dumps(result))

    def report(self, dry_run: bool) -> dict[str, Any]:
        """The counts of the answer."""
        return {
            "matched": len(self.results),
            "wouldPass": self.passed,
            "replayed": 0 if dry_run else self.replayed,
            "stillFailing": len(self.results) - self.passed,
            "more": self.more,
        }


@dataclass(frozen=True, slots=True)
class Replayer:
    """Replays a tenant's refused events through intake's own steps, with the ids they came with."""

    intake: Intake
    quarantine: QuarantineStore
    now: Callable[[], float] = time.monotonic

    def replay(
        self,
        wanted: Filter,
        patch: Sequence[Any],
        origin: Origin,
        *,
        dry_run: bool,
        personal: bool = False,
        most: int | None = None,
    ) -> dict[str, Any]:
        """The outcome of each open refusal that matches, `most` of them or what one call does (`more`: others are left).

        Each is claimed before its append, so that nobody discards it meanwhile, and marked `replayed` after it: a
        replay that is cut off and made again finds it as a duplicate, never as a second event. Counted is what this
        call has done: an event that another call closed first is not in the answer. `personal`: the caller may see
        personal data, so that a patch may copy, move and test protected values, within their classes.

        Returns:
            The counts, `results`, and `after`: the id behind which the next call goes on; None where nothing is left.

        Raises:
            BadPatchError: `patch` is not a JSON Patch.
            MillraceError: the quarantine did not answer.
        """
        repair = Patch(patch)
        call = _Call(len(repair), self.now() + SECONDS, EVENTS_PER_CALL if most is None else most)
        detail = {"filter": wanted.to_json(), "patch": repair.told()}
        begun = False
        for some in call.rounds(self.quarantine.open(origin.org, wanted), self.now):
            if dry_run:
                self._try(call, some, _Repair(repair, self.intake, personal), origin)
                continue
            if not begun:
                self._audit(origin, {**detail, "state": "begun"})
                begun = True
            self._take(call, some, _Repair(repair, self.intake, personal), origin)
        report = call.report(dry_run)
        if begun:
            self._audit(origin, {**report, **detail, "state": "done"})
        elif dry_run:
            self._audit(origin, {**report, **detail, "state": "tried"})
        return {**report, "results": call.results, "after": call.last if call.more else None}

    def _try(self, call: _Call, some: list[Refusal], repair: "_Repair", origin: Origin) -> None:
        results = repair.replayed(some, origin, dry_run=True)
        for refusal, result in zip(some, results, strict=True):
            call.passed += result.outcome in PASSED
            call.add(_answer(refusal, result, dry_run=True))

    def _take(self, call: _Call, some: list[Refusal], repair: "_Repair", origin: Origin) -> None:
        claimed = self.quarantine.claim(origin.org, some, origin.request_id, repair.patch.digest)
        others = [refusal for refusal in some if refusal.quarantine_id not in claimed]
        # Closed by another call: it is in that call's answer. Open: a replay with another patch is at work on it.
        busy = self.quarantine.open_ones(origin.org, others)
        for index, refusal in enumerate(others):
            if refusal.quarantine_id in busy:
                call.add(_answer(refusal, EventResult(index, None), dry_run=False))
        mine = [refusal for refusal in some if refusal.quarantine_id in claimed]
        pairs = list(zip(mine, repair.replayed(mine, origin, dry_run=False), strict=True))
        passed = [refusal for refusal, result in pairs if result.outcome in PASSED]
        failed = [
            (refusal, _attempt(result, origin)) for refusal, result in pairs if result.outcome not in PASSED
        ]
        marked = self.quarantine.mark(origin.org, passed, "replayed", origin.principal)
        self.quarantine.release(origin.org, failed, origin.request_id)
        call.replayed += len(marked)
        for refusal, result in pairs:
            # What another replay has marked meanwhile counts for that replay.
            if result.outcome not in PASSED or refusal.quarantine_id in marked:
                call.passed += result.outcome in PASSED
                call.add(_answer(refusal, result, dry_run=False))

    def _audit(self, origin: Origin, detail: dict[str, Any]) -> None:
        self.quarantine.audit(
            origin.org, "replay", origin.principal, origin.request_id, detail, origin.received_at
        )


@dataclass(frozen=True, slots=True)
class _Repair:
    """A patch in the hands of a caller; `personal`: who may see personal data."""

    patch: Patch
    intake: Intake
    personal: bool

    def replayed(self, some: list[Refusal], origin: Origin, *, dry_run: bool) -> list[EventResult]:
        """The results of the repaired events; their errors show nothing that the patch has moved."""
        repaired = [self._repaired(index, refusal) for index, refusal in enumerate(some)]
        results = self.intake.replay([candidate for candidate, _ in repaired], origin, dry_run=dry_run)
        for (candidate, reach), result in zip(repaired, results, strict=True):
            if reach is not None:
                result.errors = reach.discreet(result.errors, candidate.event)
        return results

    def _repaired(self, index: int, refusal: Refusal) -> tuple[Candidate, Reach | None]:
        candidate = _candidate(index, refusal)
        # Of what is not JSON nothing can be repaired; it can be replaced as a whole.
        if not len(self.patch) or (candidate.event is None and not self.patch.is_whole):
            return candidate, None
        reach = Reach(
            self.intake.registry, self.patch.operations, candidate.event, candidate.form == PROTOBUF
        )
        try:
            problem = None if self.personal else reach.forbidden()
            if problem is None:
                event = self.patch.apply(candidate.event)
                problem = reach.weakened(event)
        except NotApplicableError as error:
            problem = str(error)
        if problem is not None:
            return replace(_candidate(index, refusal), error=FieldError("", "rule", problem)), None
        # Written and parsed once more, so that a repaired event is judged by exactly the rules of a sent one.
        sent = _repaired_sent(candidate.sent, self.patch)
        return _candidate(index, replace(refusal, raw=exact_json.dumps(event), sent=sent)), reach


def _repaired_sent(sent: Any, repair: Patch) -> bytes | None:
    """What a client that repairs it likewise would send; None where the patch is of what the door has filled in."""
    try:
        return None if sent is None else exact_json.dumps(repair.apply(sent))
    except NotApplicableError:
        return None


def _candidate(index: int, refusal: Refusal) -> Candidate:
    sent = None if refusal.sent is None else exact_json.loads(refusal.sent)[0]
    return replace(parse_one(index, refusal.raw), principal=refusal.principal, form=refusal.form, sent=sent)


def _attempt(result: EventResult, origin: Origin) -> dict[str, Any]:
    errors = [entries.bounded(error.to_json()) for error in result.errors[:ERRORS_OF_AN_ATTEMPT]]
    return {
        "at": clock.utc_text(origin.received_at),
        "by": origin.principal,
        "status": str(result.outcome),
        "errors": errors,
    }


def _answer(refusal: Refusal, result: EventResult, *, dry_run: bool) -> dict[str, Any]:
    status = "wouldPass" if dry_run and result.outcome in PASSED else str(result.outcome)
    answer: dict[str, Any] = {
        "quarantineId": refusal.quarantine_id,
        "eventId": result.event_id,
        "status": status,
    }
    if result.errors:
        answer["errors"] = [e.to_json() for e in result.errors]
    return answer
