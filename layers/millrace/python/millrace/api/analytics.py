"""Aggregates as windows: `GET /v1/analytics` and `GET /v1/analytics/{metric}`."""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import orjson

from millrace.aggregates import answers, windows
from millrace.aggregates.answers import Page, Position, Question, QuestionError
from millrace.aggregates.definition import DAY_SECONDS, Aggregate
from millrace.aggregates.reads import TenantTiles
from millrace.aggregates.registry import Aggregates
from millrace.aggregates.windows import WindowError, Windows
from millrace.api.counted_users import Counted
from millrace.api.route import Call
from millrace.api.user_ids import UserIds
from millrace.core import clock, csv_cells, limits, values
from millrace.core.http import JSON, Document, Problem
from millrace.core.query import BY
from millrace.core.table import Table

CSV = "text/csv; charset=utf-8"
# Of a question, from its earliest window to its latest.
MOST_DAYS = 400
CURSOR_HEADER = "x-millrace-cursor"


class AnalyticsApi:
    """Answers of the calls under `/v1/analytics`."""

    def __init__(
        self,
        analytics: Table,
        aggregates: Aggregates,
        user_ids: UserIds,
        warn: Callable[[str], object],
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """`warn` takes what could not be read; `now` is the clock."""
        self._analytics, self._aggregates, self._user_ids = analytics, aggregates, user_ids
        self._warn, self._now = warn, now

    def list(self, _: Call) -> dict[str, Any]:
        """What there is to ask."""
        return {"items": answers.catalogue(self._aggregates, windows.text), "cursor": None}

    def get(self, call: Call) -> Document:
        """Windows of one aggregate, oldest first."""
        aggregate = self._named(call.values["metric"])
        # Keys are no parameters of the document, and a cursor belongs to them as well.
        by = {name: text for name, text in call.request.query.items() if name.startswith(BY)}
        call = replace(call, values={**call.values, **by})
        now = self._now()
        after = call.after(lambda text: Position.of(text) is not None)
        users = Counted(self._user_ids, call.org, aggregate)
        try:
            question = _question(aggregate, call, now, users)
        except (WindowError, QuestionError) as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
        tiles = TenantTiles(
            self._analytics,
            call.org,
            aggregate,
            self._aggregates.types,
            now,
            only=answers.whole_keys(aggregate, question.by),
            wanted=answers.wanted(question.by),
            warn=self._warn,
        )
        position = None if after is None else Position.of(after)
        page = answers.page(aggregate, tiles, question, limit=call.values["limit"], after=position, now=now)
        page.items = users.told(page.items)
        cursor = call.cursor(None if page.position is None else str(page.position))
        if _wants_csv(call):
            return _csv(aggregate, page, cursor)
        answer = {
            "metric": aggregate.name,
            "version": aggregate.version,
            "window": windows.text(question.windows.seconds),
            "slide": windows.text(question.windows.slide),
            "items": page.items,
            "otherKeys": page.has_other,
            "late": tiles.late(
                question.start if position is None else position.start,
                min(_last_end(question, page), clock.epoch(now)),
            ),
            "cursor": cursor,
        }
        return Document(orjson.dumps(answer, default=_number), JSON)

    def _named(self, name: str) -> Aggregate:
        found = self._aggregates.by_name.get(name)
        if found is None:
            known = ", ".join(sorted(self._aggregates.by_name)) or "none"
            raise Problem(HTTPStatus.NOT_FOUND, f"there is no aggregate {name}: there are {known}")
        return found


def _question(aggregate: Aggregate, call: Call, now: datetime, users: Counted) -> Question:
    given = call.values
    named = {
        "metric",
        "from",
        "to",
        "window",
        "slide",
        "timeZone",
        "order",
        "top",
        "format",
        "limit",
        "cursor",
    }
    by = {name.removeprefix(BY): text for name, text in call.request.query.items() if name.startswith(BY)}
    if others := sorted(name for name in call.request.query if name not in named and not name.startswith(BY)):
        raise QuestionError(str(values.unknown(others, "parameter")))
    wanted = windows.read(
        given.get("window", aggregate.window_seconds),
        given.get("slide"),
        given.get("timeZone"),
        aggregate.longest_window,
    )
    start, end = _interval(aggregate, wanted, given, now)
    top = given.get("top")
    order = answers.order_of(aggregate, given.get("order"), top)
    return Question(wanted, start, end, answers.key_filter(aggregate, by, users.forms), order, top)


def _interval(
    aggregate: Aggregate, wanted: Windows, given: Mapping[str, Any], now: datetime
) -> tuple[int, int]:
    """From the window that holds `from` to `to`; without them the window that is under way and the one before.

    Windows of several days slide, and all that hold this moment are under way: without `from` and `to` the one that ends first
    behind today.
    """
    if wanted.seconds > DAY_SECONDS and not {"from", "to"} & given.keys():
        start = wanted.floor(clock.epoch(now)) - (wanted.seconds - wanted.slide)
        return wanted.floor(start), wanted.floor(start) + 1
    end = _second(given.get("to")) if "to" in given else clock.epoch(now) + 1
    start = _second(given["from"]) if "from" in given else end - 1 - wanted.seconds
    if start >= end:
        raise QuestionError("from is not before to")
    if "from" in given and min(end, _latest(now)) - start > MOST_DAYS * DAY_SECONDS + wanted.longest():
        raise QuestionError(f"from and to are more than {MOST_DAYS} days apart: ask for less at once")
    # Beyond what can have been counted there is nothing to read, and no calendar that reaches as far.
    earliest = clock.epoch(now) - aggregate.retention_days * DAY_SECONDS - wanted.longest()
    return wanted.floor(min(max(start, earliest), _latest(now))), max(min(end, _latest(now)), earliest)


def _latest(now: datetime) -> int:
    """The second before which every event lies that has been accepted."""
    return clock.epoch(now + limits.AHEAD) + 1


def _last_end(question: Question, page: Page) -> int:
    """Where the last window of a page ends, or the one under way in it."""
    last = question.windows.floor(question.end - 1) if page.position is None else page.position.start
    return next(end for _, end in question.windows.between(last, last + 1))


def _second(text: Any) -> int:
    moment = clock.parse(text) if isinstance(text, str) else text
    # A fraction of a second belongs to the next one: windows begin at whole ones.
    return -(-clock.epoch_micros(moment) // 1_000_000)


def _number(value: Any) -> orjson.Fragment:
    """A decimal with its digits."""
    if not isinstance(value, Decimal):
        raise TypeError
    return orjson.Fragment(_digits(value))


def _digits(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _wants_csv(call: Call) -> bool:
    asked = call.values.get("format")
    return asked == "csv" or (asked is None and "text/csv" in call.request.headers.get("accept", ""))


def _csv(aggregate: Aggregate, page: Page, cursor: str | None) -> Document:
    """A line for each item; measures that are no number are JSON, and no text is a formula."""
    keys, measured = [one.name for one in aggregate.keys], [one.name for one in aggregate.answered]
    written = io.StringIO()
    lines = csv.writer(written, lineterminator="\r\n")
    lines.writerow(["start", "end", *keys, *measured, "final", "other"])
    for item in page.items:
        cells = [*(item["key"].get(name) for name in keys), *(item[name] for name in measured)]
        flags = [item["final"], item.get("other", False)]
        lines.writerow([item["start"], item["end"], *map(_cell, cells), *map(_cell, flags)])
    headers = {} if cursor is None else {CURSOR_HEADER: cursor}
    return Document(written.getvalue().encode(), CSV, headers=headers)


def _cell(value: Any) -> str:
    if value is None or isinstance(value, str):
        return csv_cells.cell(value or "")
    if isinstance(value, Decimal):
        return _digits(value)
    return orjson.dumps(value, default=_number).decode()
