"""Refused events repaired in as many calls as it takes, answers merged as if there had been one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

# A call repairs at most 500, so this is 100,000: a bound for a platform that would say `more` for ever.
MOST_CALLS = 200
PASSED = frozenset({"accepted", "duplicate", "wouldPass"})

Ask = Callable[[str, dict[str, Any]], Mapping[str, Any]]
"""Posts a body to a path and gives the answer's document."""


def replay(
    ask: Ask,
    wanted: Mapping[str, str],
    patch: Sequence[Any],
    *,
    dry_run: bool,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Replays what matches, call after call while others are left.

    What fails stays open and is met again by the next call, so a call that replayed nothing is the last one.

    Args:
        ask: how to call.
        wanted: the API's filter.
        patch: a JSON Patch, empty for none.
        dry_run: changes nothing, so it is one call: another one would say the same.
        progress: told how many were replayed so far.

    Returns:
        The shape of the API's answer, each event once with its last outcome; `more`: others are left untried.
    """
    outcomes: dict[str, Mapping[str, Any]] = {}
    body = {"filter": dict(wanted), "patch": list(patch), "dryRun": dry_run}
    replayed, more = 0, True
    for _ in range(MOST_CALLS):
        answer = ask("/v1/quarantine/replay", body)
        outcomes |= {result["quarantineId"]: result for result in answer["results"]}
        replayed += answer["replayed"]
        more = bool(answer.get("more"))
        progress(replayed)
        if dry_run or not more or not answer["replayed"]:
            break
    passed = sum(result["status"] in PASSED for result in outcomes.values())
    return {
        "matched": len(outcomes),
        "wouldPass": passed,
        "replayed": replayed,
        "stillFailing": len(outcomes) - passed,
        "more": more,
        "results": list(outcomes.values()),
    }


def discard(
    ask: Ask,
    wanted: Mapping[str, str],
    *,
    dry_run: bool,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Discards what matches, call after call while others are left; see `replay`.

    `dry_run` counts what is open and matches, in one call: at most 500, and `more`.
    """
    if dry_run:
        # A replay that changes nothing matches exactly what a discard would.
        tried = ask("/v1/quarantine/replay", {"filter": dict(wanted), "dryRun": True})
        return {"matched": tried["matched"], "discarded": 0, "more": bool(tried.get("more"))}
    matched, discarded, more = 0, 0, True
    for _ in range(MOST_CALLS):
        answer = ask("/v1/quarantine/discard", {"filter": dict(wanted)})
        matched += answer["matched"]
        discarded += answer["discarded"]
        more = bool(answer.get("more"))
        progress(discarded)
        if not more or not answer["discarded"]:
            break
    return {"matched": matched, "discarded": discarded, "more": more}
