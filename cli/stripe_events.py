"""Events that Stripe keeps, for 30 days: https://docs.stripe.com/api/events/list."""

import http.client
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import urllib3

from cli.errors import RefusedError
from millrace.core import clock, exact_json

ADDRESS = "https://api.stripe.com/v1/events"
KEPT_DAYS = 30
AT_ONCE = 100
SECONDS, MOST_BYTES = 30.0, 64 * 1024 * 1024
# Of a page that Stripe does not answer now.
TRIES = 4


def pages(
    key: str, first: datetime, end: datetime, address: str = ADDRESS
) -> Iterator[tuple[str, list[Any]]]:
    """Pages of events, the newest first: the id behind which each begins, and its events.

    Args:
        key: of Stripe's API, which may read events.
        first: of their creation.
        end: behind it.
        address: of the list.

    Raises:
        RefusedError: Stripe does not answer, refuses the key, or repeats a page.
    """
    after, seen = "", set[str]()
    while True:
        fields = {"limit": AT_ONCE, "created[gte]": clock.epoch(first), "created[lt]": clock.epoch(end)}
        page = _read(key, address, fields | ({"starting_after": after} if after else {}))
        events = page.get("data")
        if not isinstance(events, list):
            raise RefusedError("Stripe answers no list of events")
        if events:
            yield after, events
        if not page.get("has_more") or not events:
            return
        after = str(events[-1].get("id", "")) if isinstance(events[-1], dict) else ""
        if not after or after in seen:
            raise RefusedError("Stripe repeats a page: what came before it is taken; try the rest later")
        seen.add(after)


def _read(key: str, address: str, fields: dict[str, Any]) -> dict[str, Any]:
    retries = urllib3.Retry(
        TRIES,
        redirect=False,
        status_forcelist=(429, 500, 502, 503, 504),
        backoff_factor=0.5,
        raise_on_status=False,
    )
    headers = {"authorization": f"Bearer {key}"}
    try:
        with urllib3.PoolManager(retries=retries, timeout=urllib3.Timeout(SECONDS)) as pool:
            answer = pool.request("GET", address, fields=fields, headers=headers, preload_content=False)
            body = answer.read(MOST_BYTES)
            answer.release_conn()
    except urllib3.exceptions.HTTPError as error:
        raise RefusedError(f"Stripe does not answer: {type(error).__name__}") from error
    if answer.status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
        raise RefusedError("Stripe refuses the key: STRIPE_API_KEY is one that may read events")
    if answer.status != http.client.OK:
        raise RefusedError(f"Stripe answers {answer.status}")
    try:
        found = exact_json.loads(body)[0]
    except ValueError as error:
        raise RefusedError("Stripe answers no JSON") from error
    return found if isinstance(found, dict) else {}
