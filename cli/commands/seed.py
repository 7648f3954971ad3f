"""`millrace seed`: realistic users, orders and payments, with labelled fraud, for as long as asked."""

import secrets
import time
from collections import Counter, deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated

import orjson
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.api import Api
from cli.batches import MOST_EVENTS, Line, Merged
from cli.commands.send import show, summary
from cli.errors import UsageError
from cli.options import Env, Json, Org
from cli.output import err, out
from cli.seeding import past, timeline
from cli.seeding.events import Event
from cli.seeding.past import MOST_DAYS
from cli.sending import send_lines
from cli.target import find_target
from millrace.core import clock

DEFAULT_RATE = 1000.0
HOURS = 24
# Events a day of a past, unless --count says how many there are in all.
PER_DAY = 400
# By how much the events of yesterday come more often where they do not fit into the day.
MORE_OFTEN = 1.25
# At a rate, due events are sent this often, in seconds.
TICK = 0.5


def seed(
    count: Annotated[
        int | None, typer.Option("--count", min=1, help="How many events to send (default: until stopped).")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate", min=1, help="Events an hour, in real time (default: 1000; with --count: at once)."
        ),
    ] = None,
    number: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="The same number gives the same events (default: a random one)."),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(
            "--days",
            min=1,
            max=MOST_DAYS,
            help="Spread over this many whole UTC days before today (without --count: 400 events a day).",
        ),
    ] = None,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Send realistic events: 1000 an hour until stopped, --count of yesterday at once, or --days of history at once.

    Events of --count have times in the 24 hours before today (UTC); the same seed on the same day sends the same
    events, which are then duplicates. Events of --days are history to train on: people with habits, and fraud that
    shows in comparison with the past of users and merchants.
    """
    if days is not None and rate is not None:
        raise UsageError("--days and --rate exclude each other: history is sent at once")
    if days is not None and count is None:
        count = PER_DAY * days
    target = find_target(env)
    api = Api(target, org)
    chosen = secrets.randbelow(2**31) if number is None else number
    now = datetime.now(UTC)
    live = count is None or rate is not None
    if live:
        events = timeline(f"{chosen}", start=now, per_hour=rate or DEFAULT_RATE, most=count)
    elif days is not None:
        events = past(chosen, today=now.date(), days=days, count=count or 0)
    else:
        events = yesterday(chosen, now, count or 0)
    if not as_json:
        out.print(f"seed {chosen}" + ("; stop with Ctrl-C" if count is None else ""))
    types: Counter[str] = Counter()
    merged = Merged()
    columns = (TextColumn("sending"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("sending", total=count)
        try:
            for lines in due(numbered(events, types)) if live else chunks(numbered(events, types)):
                send_lines(api, lines, merged, lambda sent: progress.advance(task, sent))
        except KeyboardInterrupt:
            # Without a count, stopping is how it ends.
            if count is not None:
                if not as_json:
                    err.print(f"so far {summary(merged.document())}; --seed {chosen} sends the same again")
                raise
    show({**merged.document(), "types": dict(sorted(types.items()))}, as_json, org)


def yesterday(seed_number: int, now: datetime, count: int) -> Iterator[Event]:
    """Events of the UTC day before today, the same all day.

    Arrivals are random, so those of a day may take longer than one: then they come more often, until all of them are over.
    What lies in the future is refused.
    """
    today = clock.midnight(clock.utc_day(now))
    start, per_hour = today - timedelta(hours=HOURS), count / HOURS
    while True:
        made = partial(timeline, f"{seed_number} {start.date()}", start=start, per_hour=per_hour, most=count)
        last = deque(made(), maxlen=1)[0]
        if datetime.fromisoformat(last["timestamp"]) < today:
            return made()
        per_hour *= MORE_OFTEN


def numbered(events: Iterator[Event], types: Counter[str]) -> Iterator[tuple[datetime, Line]]:
    """Each event as a line with its time; counts the types."""
    for index, event in enumerate(events):
        types[event["eventType"]] += 1
        yield datetime.fromisoformat(event["timestamp"]), Line(index, orjson.dumps(event))


def chunks(lines: Iterator[tuple[datetime, Line]]) -> Iterator[list[Line]]:
    """Lists of as many lines as a request takes."""
    batch: list[Line] = []
    for _, line in lines:
        batch.append(line)
        if len(batch) == MOST_EVENTS:
            yield batch
            batch = []
    if batch:
        yield batch


def due(lines: Iterator[tuple[datetime, Line]]) -> Iterator[list[Line]]:
    """Lists of the lines that have become due, until none is left."""
    waiting = next(lines, None)
    while waiting is not None:
        batch: list[Line] = []
        while waiting is not None and waiting[0] <= datetime.now(UTC) and len(batch) < MOST_EVENTS:
            batch.append(waiting[1])
            waiting = next(lines, None)
        if batch:
            yield batch
        elif waiting is not None:
            time.sleep(min(TICK, max(0.0, (waiting[0] - datetime.now(UTC)).total_seconds())) or 0.01)
