"""Replays or discards quarantined events in as many calls as needed; the answers are merged into one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

# A bound for a platform that would return cursors for ever. A call handles up to 500 events, at least one large one.
MOST_CALLS = 2000
# Everything that is open: the API requires an explicit filter.
ALL: Mapping[str, Any] = {"all": True}
PASSED = frozenset({"accepted", "duplicate", "wouldPass"})

Post = Callable[[str, dict[str, Any]], Mapping[str, Any]]
"""Posts a body to a path and returns the answer's document."""


def replay(
    post: Post,
    selection: Mapping[str, Any],
    patch: Sequence[Any],
    *,
    dry_run: bool,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Replays what matches, call after call until nothing is left; each continues where the one before stopped.

    Args:
        post: calls the API.
        selection: the API's filter.
        patch: a JSON Patch, empty for none.
        dry_run: changes nothing.
        progress: receives how many were replayed, or checked, so far.

    Returns:
        The shape of the API's answer, each event once with its last result; `more`: others were not tried.
    """
    results: dict[str, Mapping[str, Any]] = {}
    body: dict[str, Any] = {"filter": dict(selection), "patch": list(patch), "dryRun": dry_run}
    replayed, cursor = 0, None
    for _ in range(MOST_CALLS):
        answer = post("/v1/quarantine/replay", _continued(body, cursor))
        results |= {result["quarantineId"]: result for result in answer["results"]}
        replayed += answer["replayed"]
        cursor = answer.get("cursor")
        progress(len(results) if dry_run else replayed)
        if cursor is None:
            break
    passed = sum(result["status"] in PASSED for result in results.values())
    return {
        "matched": len(results),
        "wouldPass": passed,
        "replayed": replayed,
        "stillFailing": len(results) - passed,
        "more": cursor is not None,
        "results": list(results.values()),
    }


def _continued(body: Mapping[str, Any], cursor: str | None) -> dict[str, Any]:
    return {**body, "cursor": cursor} if cursor is not None else dict(body)


def discard(
    post: Post,
    selection: Mapping[str, Any],
    *,
    dry_run: bool,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Discards what matches, call after call until nothing is left; see `replay`. `dry_run` counts what matches."""
    if dry_run:
        # A dry run of a replay matches exactly what a discard would.
        tried = replay(post, selection, [], dry_run=True, progress=progress)
        return {"matched": tried["matched"], "discarded": 0, "more": tried["more"]}
    matched, discarded, cursor = 0, 0, None
    for _ in range(MOST_CALLS):
        answer = post("/v1/quarantine/discard", _continued({"filter": dict(selection)}, cursor))
        matched += answer["matched"]
        discarded += answer["discarded"]
        cursor = answer.get("cursor")
        progress(discarded)
        if cursor is None:
            break
    return {"matched": matched, "discarded": discarded, "more": cursor is not None}
