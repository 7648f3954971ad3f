"""Refused events repaired in as many calls as it takes, answers merged as if there had been one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

# A bound for a platform that would give cursors for ever. A call repairs 500 at most, and one large event at least.
MOST_CALLS = 2000
# Everything that is open. The API wants it said.
ALL: Mapping[str, Any] = {"all": True}
PASSED = frozenset({"accepted", "duplicate", "wouldPass"})

Ask = Callable[[str, dict[str, Any]], Mapping[str, Any]]
"""Posts a body to a path and gives the answer's document."""


def replay(
    ask: Ask,
    wanted: Mapping[str, Any],
    patch: Sequence[Any],
    *,
    dry_run: bool,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Replays what matches, call after call while others are left, each going on where the one before stopped.

    Args:
        ask: how to call.
        wanted: the API's filter.
        patch: a JSON Patch, empty for none.
        dry_run: changes nothing.
        progress: told how many were replayed, or looked at, so far.

    Returns:
        The shape of the API's answer, each event once with its last outcome; `more`: others are left untried.
    """
    outcomes: dict[str, Mapping[str, Any]] = {}
    body: dict[str, Any] = {"filter": dict(wanted), "patch": list(patch), "dryRun": dry_run}
    replayed, cursor = 0, None
    for _ in range(MOST_CALLS):
        answer = ask("/v1/quarantine/replay", _going_on(body, cursor))
        outcomes |= {result["quarantineId"]: result for result in answer["results"]}
        replayed += answer["replayed"]
        cursor = answer.get("cursor")
        progress(len(outcomes) if dry_run else replayed)
        if cursor is None:
            break
    passed = sum(result["status"] in PASSED for result in outcomes.values())
    return {
        "matched": len(outcomes),
        "wouldPass": passed,
        "replayed": replayed,
        "stillFailing": len(outcomes) - passed,
        "more": cursor is not None,
        "results": list(outcomes.values()),
    }


def _going_on(body: Mapping[str, Any], cursor: str | None) -> dict[str, Any]:
    return {**body, "cursor": cursor} if cursor is not None else dict(body)


def discard(
    ask: Ask,
    wanted: Mapping[str, Any],
    *,
    dry_run: bool,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Discards what matches, call after call while others are left; see `replay`. `dry_run` counts what matches."""
    if dry_run:
        # A replay that changes nothing matches exactly what a discard would.
        tried = replay(ask, wanted, [], dry_run=True, progress=progress)
        return {"matched": tried["matched"], "discarded": 0, "more": tried["more"]}
    matched, discarded, cursor = 0, 0, None
    for _ in range(MOST_CALLS):
        answer = ask("/v1/quarantine/discard", _going_on({"filter": dict(wanted)}, cursor))
        matched += answer["matched"]
        discarded += answer["discarded"]
        cursor = answer.get("cursor")
        progress(discarded)
        if cursor is None:
            break
    return {"matched": matched, "discarded": discarded, "more": cursor is not None}
