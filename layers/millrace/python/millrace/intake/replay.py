"""Refused events on their way back: found, repaired with a JSON Patch, tried or appended, and written up."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jsonpatch
import jsonpointer

from millrace.contracts.validator import FieldError
from millrace.core.errors import PermanentError
from millrace.intake import exact, limits
from millrace.intake.accept import Intake, Result
from millrace.intake.append import Outcome
from millrace.intake.enrich import Origin
from millrace.intake.parse import Candidate, parse_one
from millrace.quarantine.store import Filter, QuarantineStore, Refusal

# What one call can do well within the gateway's 29 seconds.
EVENTS_PER_CALL = 500
OPERATIONS = 50
_PATCH_ERRORS = (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError)
PASSED = frozenset({Outcome.ACCEPTED, Outcome.DUPLICATE})


class BadPatchError(PermanentError):
    """The patch is no JSON Patch."""


class _TooLargeError(ValueError):
    """A patch lets an event grow."""


@dataclass(frozen=True, slots=True)
class Replayer:
    """Replays a tenant's refused events through intake's own steps, with the ids they came with."""

    intake: Intake
    quarantine: QuarantineStore

    def replay(
        self,
        wanted: Filter,
        patch: Sequence[Any],
        origin: Origin,
        *,
        dry_run: bool,
        most: int = EVENTS_PER_CALL,
    ) -> dict[str, Any]:
        """The outcome of each open refusal that matches, at most so many a call (`more` says that others are left).

        An event that has reached the table is marked `replayed` after its append: a replay that is cut off
        and made again finds it as a duplicate, never as a second event.

        Raises:
            BadPatchError: `patch` is no JSON Patch.
            MillraceError: the quarantine did not answer.
        """
        repair = _compile(patch)
        found = self.quarantine.open(origin.org, wanted, most + 1)
        refusals = found[:most]
        candidates = [_repaired(index, refusal, repair) for index, refusal in enumerate(refusals)]
        results = self.intake.replay(candidates, origin, dry_run=dry_run)
        passed = [r for r, result in zip(refusals, results, strict=True) if result.outcome in PASSED]
        if not dry_run:
            self.quarantine.mark(origin.org, passed, "replayed", origin.principal)
        report = {
            "matched": len(refusals),
            "wouldPass": len(passed),
            "replayed": 0 if dry_run else len(passed),
            "stillFailing": len(refusals) - len(passed),
            "more": len(found) > len(refusals),
        }
        if not dry_run and refusals:
            self.quarantine.audit(
                origin.org, "replay", origin.principal, origin.request_id, {**report, "patch": patch}
            )
        pairs = zip(refusals, results, strict=True)
        return {**report, "results": [_answer(refusal, result, dry_run) for refusal, result in pairs]}


def _compile(patch: Sequence[Any]) -> list[jsonpatch.JsonPatch]:
    if len(patch) > OPERATIONS:
        raise BadPatchError(f"a patch has at most {OPERATIONS} operations, got {len(patch)}")
    try:
        return [jsonpatch.JsonPatch([operation]) for operation in patch]
    except (*_PATCH_ERRORS, AttributeError) as error:
        raise BadPatchError(f"patch is no JSON Patch (RFC 6902): {error}"[:200]) from error


def _repaired(index: int, refusal: Refusal, repair: Sequence[jsonpatch.JsonPatch]) -> Candidate:
    candidate = replace(parse_one(index, refusal.raw), principal=refusal.principal)
    if candidate.event is None:
        return candidate
    event, applied = candidate.event, 0
    try:
        for operation in repair:
            event = operation.apply(event)
            # A copy of a copy of a copy grows without end; no event may be larger than this anyway.
            if len(exact.dumps(event)) > 2 * limits.BYTES_PER_EVENT:
                raise _TooLargeError
            applied += 1
    except (*_PATCH_ERRORS, KeyError, ValueError, RecursionError) as error:
        # Not in the library's own words: they repeat what stands in the event, protected or not.
        place = f"operation {applied + 1} of {len(repair)}"
        why = "the event grows too large" if isinstance(error, _TooLargeError) else place
        failed = FieldError("", "rule", f"the patch does not apply: {why}")
        return replace(candidate, error=failed)
    # Written and read again, so that a repaired event is judged by exactly the rules of a sent one.
    return replace(parse_one(index, exact.dumps(event)), principal=refusal.principal) if repair else candidate


def _answer(refusal: Refusal, result: Result, dry_run: bool) -> dict[str, Any]:
    status = "wouldPass" if dry_run and result.outcome in PASSED else str(result.outcome)
    answer: dict[str, Any] = {
        "quarantineId": refusal.quarantine_id,
        "eventId": result.event_id,
        "status": status,
    }
    if result.errors:
        answer["errors"] = [e.to_json() for e in result.errors]
    return answer
