"""`millrace events`: the newest events of a tenant, once or as they come, and the story of those that belong together."""

import sys
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer

from cli import repairs, results, tenants
from cli import story as stories
from cli.api import Api
from cli.options import Env, Json, Org
from cli.output import err, out, print_json
from cli.target import FIRST_ORG, SAMPLE_ORG, find_target
from millrace.core import clock

# The API lists by type, so all types are as many requests; so many are under way at once.
REQUESTS_AT_ONCE = 4
PAGE = 500
SECONDS = 2.0
# A type without new events is read less often, in the end every so many rounds.
ROUNDS_OF_A_QUIET_TYPE = 8
# Events are listed by their own time: one that is accepted later than this after it is not followed.
OVERLAP = timedelta(seconds=60)
TYPE_WIDTH = 28

Type = Annotated[str | None, typer.Option("--type", help="One event type (default: all types).")]
Event = dict[str, Any]

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="List events, follow them live, or tell their story."
)


@app.command()
def latest(
    event_type: Type = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=PAGE, help="How many events.")] = 20,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """List the newest events by their own time, the newest first.

    A pipe and --json get the whole stored events, one JSON document a line.
    """
    target = find_target(env)
    api = Api(target, org)
    types = _types(api, event_type)
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        pages = pool.map(lambda name: _page(api, name, limit=limit)["items"], types)
        events = [event for page in pages for event in page]
    events.sort(key=lambda event: (clock.parse(event["timestamp"]), event["eventId"]), reverse=True)
    _print(events[:limit], as_json)
    if not events:
        whose = tenants.tenant(target, org)
        of_type = f" of the type {event_type}" if event_type else ""
        err.print(f"{whose} has no events{of_type}.", markup=False)
        if whose == FIRST_ORG and target.env == "local":
            err.print(f"Those that make up sends: --org {SAMPLE_ORG}")


@app.command()
def tail(
    event_type: Type = None,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Show new events as they are accepted, until Ctrl-C (exit code 130).

    An event is shown once. One that is accepted more than a minute after its own time is not shown.
    A pipe and --json get the whole stored events, one JSON document a line.
    """
    api = Api(find_target(env), org)
    followed = [Followed(api, name) for name in _types(api, event_type)]
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        list(pool.map(lambda one: one.new(), followed))
        err.print("Waiting for events; Ctrl-C ends this.")
        while True:
            time.sleep(SECONDS)
            due = [one for one in followed if one.is_due()]
            events = [event for page in pool.map(lambda one: one.new(), due) for event in page]
            events.sort(key=lambda event: (event["platform"]["receivedAt"], event["eventId"]))
            _print(events, as_json)


class By(StrEnum):
    """What events of a story have in common."""

    CORRELATION = "correlationId"
    ENTITY = "entity"
    SESSION = "sessionId"
    USER = "userId"


@app.command()
def story(
    name: Annotated[str, typer.Argument(help="The correlation id.", metavar="ID")],
    *,
    by: Annotated[
        By, typer.Option("--by", help="What ID is instead; an entity is written order:ord_17.")
    ] = By.CORRELATION,
    from_: Annotated[
        str | None, typer.Option("--from", help="Happened at or after this ISO 8601 time.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="Happened before this ISO 8601 time.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many events.")] = 1000,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Tell the events of a correlation id as a story, oldest first.

    Each event with the time since the one before, what the platform derived it from, how late it came, the fraud decision
    on it, its alert as it is now, and what a pattern still waits for. Found are events of types whose contract has the
    index for what ID is (correlation, entity, session, user); a last line names the types without it.
    """
    items: list[Event] = []
    left_out, cursor = dict[str, Any](), None
    query = {by.value: name, "story": "true", "from": from_, "to": to}
    for page in repairs.pages(Api(find_target(env), org), query, limit, "/v1/events"):
        items += page["items"]
        # The first page knows what is left out before it.
        left_out, cursor = left_out or page["leftOut"], page["cursor"]
    if as_json:
        print_json({"items": items, "cursor": cursor, "leftOut": left_out})
        return

    def show() -> None:
        for line in stories.lines(items, left_out, by.value, name):
            out.print(line, markup=False)
        if cursor is not None:
            out.print(f"There are others; --limit shows more than {limit}.")

    results.paged(show)


class Followed:
    """The events of one type that were not there before."""

    def __init__(self, api: Api, event_type: str) -> None:
        self._api, self._type = api, event_type
        self._last = datetime.now(UTC)
        self._seen: dict[str, datetime] = {}
        self._pause = self._left = 0

    def is_due(self) -> bool:
        """Whether this type is read in this round; counts the round."""
        self._left -= 1
        return self._left < 0

    def new(self) -> list[Event]:
        """Reads on from a minute before the last time, so that what was accepted since is not missed."""
        since, self._last = self._last - OVERLAP, datetime.now(UTC)
        fresh, cursor = list[Event](), None
        while True:
            page = _page(self._api, self._type, since=since, cursor=cursor)
            fresh += [event for event in page["items"] if event["eventId"] not in self._seen]
            self._seen |= {event["eventId"]: clock.parse(event["timestamp"]) for event in page["items"]}
            cursor = page["cursor"]
            if cursor is None:
                break
        self._seen = {name: at for name, at in self._seen.items() if at >= since}
        self._pause = 0 if fresh else min(ROUNDS_OF_A_QUIET_TYPE - 1, self._pause * 2 + 1)
        self._left = self._pause
        return fresh


def _types(api: Api, chosen: str | None) -> list[str]:
    if chosen is not None:
        return [chosen]
    names: set[str] = set()
    cursor: str | None = None
    while True:
        page = api.ask("GET", "/v1/schemas", query={"limit": str(PAGE), "cursor": cursor})
        names |= {one["eventType"] for one in page["items"]}
        cursor = page["cursor"]
        if cursor is None:
            return sorted(names)


def _page(
    api: Api, event_type: str, *, limit: int = PAGE, since: datetime | None = None, cursor: str | None = None
) -> Mapping[str, Any]:
    query = {
        "eventType": event_type,
        "limit": str(limit),
        "from": clock.utc_text(since) if since else None,
        "cursor": cursor,
    }
    page: Mapping[str, Any] = api.ask("GET", "/v1/events", query=query)
    return page


def _print(events: Iterable[Event], as_json: bool) -> None:
    for event in events:
        if as_json or not sys.stdout.isatty():
            print_json(event)
        else:
            at = clock.parse(event["timestamp"]).astimezone(UTC)
            out.print(
                f"{at:%m-%d %H:%M:%S} {event['eventType']:<{TYPE_WIDTH}} {event['eventId']}", markup=False
            )
