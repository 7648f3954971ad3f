"""Calls of the quarantine: its pages, and replays and discards in as many calls as needed, merged into one answer."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from cli.api import Api
from cli.errors import UsageError
from millrace.core import exact_json
from millrace.core.path_ids import segment

# A bound for a platform that would return cursors for ever. A call handles up to 500 events, at least one large one.
MOST_CALLS = 2000
PAGE = 500
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


def post(api: Api, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Posts a body and returns the answer's document."""
    # Retried after a broken connection: what the first call closed is no longer open, so nothing happens twice.
    answer: dict[str, Any] = api.ask("POST", path, body=exact_json.dumps(body))
    return answer


def read(api: Api, quarantine_id: str) -> dict[str, Any]:
    """One refused event as the API answers it."""
    item: dict[str, Any] = api.ask("GET", f"/v1/quarantine/{segment(quarantine_id)}")
    return item


def pages(
    api: Api, query: Mapping[str, str | None], most: int | None = None, path: str = "/v1/quarantine"
) -> Iterator[dict[str, Any]]:
    """The API's pages of a list until there is no other, or until `most` items are read."""
    cursor: str | None = None
    left = most
    while left is None or left > 0:
        limit = PAGE if left is None else min(PAGE, left)
        page: dict[str, Any] = api.ask("GET", path, query={**query, "limit": str(limit), "cursor": cursor})
        yield page
        left = None if left is None else left - len(page["items"])
        cursor = page.get("cursor")
        if cursor is None:
            break


def listed(
    api: Api, query: Mapping[str, str | None], most: int | None = None, path: str = "/v1/quarantine"
) -> tuple[list[dict[str, Any]], str | None]:
    """The items of `pages`, and the cursor behind them; None where there is nothing behind them."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    for page in pages(api, query, most, path):
        items += page["items"]
        cursor = page.get("cursor")
    return items, cursor


def why_not(api: Api, quarantine_id: str) -> str:
    """Why no open event has an id."""
    answer = api.call("GET", f"/v1/quarantine/{segment(quarantine_id)}")
    if answer.status == 404:
        return f"There is no refused event {quarantine_id} of this tenant."
    if answer.status != 200:
        return answer.sentence
    return f"{quarantine_id} is {answer.document['status']} already."


def read_patch(file: str) -> list[Any]:
    """The operations of a JSON Patch in a file, or on standard input.

    Raises:
        UsageError: they are none.
    """
    named = "standard input" if file == "-" else file
    try:
        operations = orjson.loads(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
    except OSError as error:
        raise UsageError(f"{named} cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{named} is not JSON: {error}") from error
    if not isinstance(operations, list) or not operations:
        raise UsageError(
            f'{named}: a JSON Patch is an array, such as [{{"op": "remove", "path": "/region"}}]'
        )
    return operations
