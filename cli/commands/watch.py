"""`millrace watch`: windows of an aggregate as they fill."""

import re
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cli.api import Api
from cli.errors import UsageError
from cli.options import Env, Json, Org
from cli.output import counted, fitted, out, print_json, visible
from cli.target import find_target
from millrace.core import clock
from millrace.core.path_ids import segment

PATH = "/v1/analytics"
# Windows before the one under way, each a mark of the line of a key.
PAST = 11
LEVELS = " ▁▂▃▄▅▆▇█"
MOST_ITEMS = 500
# Keys of a window, so that all windows with their `other` are a page.
MOST_KEYS = 40
# Characters of a text, and of the values of a `top`, of which so many are shown.
WIDEST, VALUES = 32, 3
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z")
Answer = Mapping[str, Any]


def watch(
    metric: Annotated[
        str | None, typer.Argument(help="The aggregate; without one they are listed.", metavar="METRIC")
    ] = None,
    *,
    by: Annotated[
        list[str] | None, typer.Option("--by", help="Only this value of a key.", metavar="KEY=VALUE")
    ] = None,
    measure: Annotated[
        list[str] | None, typer.Option("--measure", help="Only this measure, in this order.", metavar="NAME")
    ] = None,
    window: Annotated[
        str | None, typer.Option("--window", help="Such as 15m (default: the aggregate's).")
    ] = None,
    slide: Annotated[
        str | None, typer.Option("--slide", help="From one window to the next (default: its length).")
    ] = None,
    order: Annotated[
        str | None,
        typer.Option("--order", help="The measure that orders keys; -revenue: the greatest first."),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, max=MOST_KEYS, help="Keys of a window at most.")] = 15,
    every: Annotated[float, typer.Option("--every", min=1, help="Seconds between two reads.")] = 5.0,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Watch the windows of an aggregate, until Ctrl-C (exit code 130).

    A pipe and --json get the last twelve windows once, as the API answers them.
    """
    from millrace.aggregates.derived import ROLES

    api = Api(find_target(env), org)
    listed = api.ask("GET", PATH)["items"]
    if metric is None:
        if as_json:
            print_json({"items": listed, "cursor": None})
        else:
            out.print(_catalogue(listed))
        return
    unknown: Answer = {"window": "5m", "keys": [], "measures": []}
    known: Answer = next((one for one in listed if one["name"] == metric), unknown)
    if measure:
        known = {**known, "measures": _chosen(known, measure)}
    query = {**_keys(by or ()), "window": window, "slide": slide, "order": order, "limit": str(MOST_ITEMS)}
    at_once = as_json or not sys.stdout.isatty()
    if known["keys"]:
        # The table says how many keys it leaves out.
        query["top"] = str(top if at_once else MOST_KEYS)

    def read() -> Answer:
        asked = {name: value for name, value in query.items() if value is not None}
        # Windows of several days: the one that is under way.
        if _seconds(window or known["window"]) <= _SECONDS["d"]:
            since = clock.now() - timedelta(seconds=PAST * _seconds(slide or window or known["window"]))
            asked["from"] = clock.utc_text(since)
        # What is printed as it is keeps every digit of its decimals.
        answer: Answer = api.ask("GET", f"{PATH}/{segment(metric)}", query=asked, exact=at_once)
        return answer

    if at_once:
        print_json(read())
        return
    # Measures that were chosen are left out from the last on.
    derived = [] if measure else [one["name"] for one in known["measures"] if one["measure"] in ROLES]
    with Live(_drawn(read(), known, top, derived), console=out, auto_refresh=False) as live:
        while True:
            time.sleep(every)
            live.update(_drawn(read(), known, top, derived), refresh=True)


def _keys(given: Sequence[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise UsageError(f"--by {one}: say it as key=value, such as --by merchant=terminal_3156")
        found[f"by.{name}"] = value
    return found


def _chosen(known: Answer, names: Sequence[str]) -> list[Answer]:
    by_name = {one["name"]: one for one in known["measures"]}
    if others := [name for name in names if name not in by_name]:
        raise UsageError(f"--measure {others[0]}: there are {', '.join(by_name) or 'none'}")
    return [by_name[name] for name in names]


def _seconds(span: str) -> int:
    number, unit = span[:-1], span[-1:]
    # What is no span is the API's to refuse.
    return int(number) * _SECONDS[unit] if number.isdecimal() and unit in _SECONDS else 300


def _catalogue(listed: Sequence[Answer]) -> RenderableType:
    rows = [
        [
            one["name"],
            ", ".join(key["name"] for key in one["keys"]) or "–",
            ", ".join(measure["name"] for measure in one["measures"]),
            one["window"],
        ]
        for one in listed
    ]
    made = fitted(["aggregate", "by", "measures", "window"], rows, folded=["by", "measures"])
    # No name is broken, nor parted from its comma.
    made.columns[2].min_width = max((len(word) for row in rows for word in row[2].split()), default=0)
    return made


def _drawn(answer: Answer, known: Answer, top: int = 15, kept: Sequence[str] = ()) -> RenderableType:
    """A table of the newest window, with the ones before as a line; without keys a row for each window.

    `top` keys are shown; where not all measures fit, the first and those that are to be `kept` stay longest.
    """
    items = [_flat(one, known) for one in answer["items"]]
    if not items:
        return Text(f"{answer['metric']}: nothing in the last windows of {answer['window']}.")
    measured = [name for one in known["measures"] for name in _columns(one, answer["items"][-1])]
    rest = measured[:0:-1]
    optional = [name for name in rest if name not in kept] + [name for name in rest if name in kept]
    notes = [f"{answer['metric']}, windows of {answer['window']} by {answer['slide']}"]
    if known["keys"]:
        body = _by_key(items, measured, known, top, optional)
        notes += [f"the numbers are of {_dated(items[-1])} UTC", *_unseen(items, top)]
    else:
        body = _by_window(items, measured, optional)
        notes[0] += f"; the last is {_dated(items[-1])} UTC"
        notes += [_funnel(name, items[-1][name]) for name in _funnels(known)]
    shown = [str(column.header) for column in body.columns]
    if hidden := [name for name in measured if name not in shown]:
        notes.append(f"{counted(len(hidden), 'more measure')}: {', '.join(hidden)}; choose with --measure")
    if answer["otherKeys"]:
        notes.append("there are more keys than are kept: the rest is (other)")
    if answer["late"]:
        notes.append(f"{counted(answer['late'], 'event')} came too late to be counted")
    return Group(body, Text("\n".join(notes), style="dim", no_wrap=False, overflow="fold"))


def _unseen(items: Sequence[Answer], top: int) -> list[str]:
    """How many keys the table leaves out."""
    newest = {_name(one) for one in _newest(items) if not one.get("other")}
    notes = []
    if (more := len(newest) - top) > 0:
        least = "at least " if len(newest) == MOST_KEYS else ""
        notes.append(f"{least}{counted(more, 'more key')}; --top {len(newest)}")
    earlier = {_name(one) for one in items if not one.get("other")} - newest
    # Of a window with more keys than a page has, others may be in it as well.
    if earlier and len(newest) < MOST_KEYS:
        notes.append(f"{counted(len(earlier), 'key')} had events only in earlier windows")
    return notes


def _newest(items: Sequence[Answer]) -> list[Answer]:
    """Those of the last window; items come oldest first."""
    return [one for one in items if one["start"] == items[-1]["start"]]


def _funnels(known: Answer) -> list[str]:
    return [one["name"] for one in known["measures"] if one["measure"] == "funnel"]


def _columns(measure: Answer, item: Answer) -> list[str]:
    """Of a funnel one for each step, such as `1 viewed`."""
    if measure["measure"] != "funnel":
        return [measure["name"]]
    steps = item[measure["name"]]["steps"]
    return [f"{number} {step['event'].rpartition('.')[2]}" for number, step in enumerate(steps, 1)]


def _flat(item: Answer, known: Answer) -> Answer:
    """An item with the sessions of each step as numbers."""
    more: dict[str, int] = {}
    for measure in known["measures"]:
        if measure["measure"] == "funnel":
            sessions = [step["sessions"] for step in item[measure["name"]]["steps"]]
            more |= dict(zip(_columns(measure, item), sessions, strict=True))
    return {**item, **more}


def _funnel(name: str, found: Answer) -> str:
    parts = [
        f"{step['event']} {step['sessions']:,}"
        + ("" if step["conversion"] is None else f" ({step['conversion']:.1%})")
        for step in found["steps"]
    ]
    return f"{name}: {'' if found['exact'] else 'about '}{' → '.join(parts)}"


def _by_window(items: Sequence[Answer], measured: Sequence[str], optional: Sequence[str]) -> Table:
    rows = [[_span(one), *(_text(one[name]) for name in measured)] for one in items[-PAST - 1 :]]
    return fitted(["window", *measured], rows, folded=(), optional=optional)


def _by_key(
    items: Sequence[Answer], measured: Sequence[str], known: Answer, top: int, optional: Sequence[str]
) -> Table:
    starts = sorted({one["start"] for one in items})
    by_name: dict[str, dict[str, Answer]] = {}
    for one in items:
        by_name.setdefault(_name(one), {})[one["start"]] = one
    # What the line is of.
    line_of = next((name for name in measured if all(_is_number(one[name]) for one in items)), None)
    greatest = max((float(one[line_of] or 0) for one in items), default=0.0) if line_of else 0.0
    newest = _newest(items)
    rows = []
    others = [one for one in newest if one.get("other")]
    for now in [*[one for one in newest if not one.get("other")][:top], *others]:
        held = by_name[_name(now)]
        past = [held[start][line_of] if start in held else 0 for start in starts] if line_of else []
        line = [_line(past, greatest)] if line_of else []
        rows.append([_name(now), *line, *(_text(now[name]) for name in measured)])
    heading = ", ".join(key["name"] for key in known["keys"])
    columns = [heading, *([counted(len(starts), "window")] if line_of else []), *measured]
    return fitted(columns, rows, folded=[heading], optional=optional)


def _name(item: Answer) -> str:
    if item.get("other"):
        return "(other)"
    return ", ".join("–" if value is None else visible(str(value)) for value in item["key"].values())


def _line(values: Sequence[float | None], greatest: float) -> str:
    most = len(LEVELS) - 1
    return "".join(
        LEVELS[0 if not value or not greatest else max(1, round(value / greatest * most))] for value in values
    )


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _text(value: Any) -> str:
    """A value of any measure on one line, cut to a width: of a `top` the first values, of a distribution a mark for each bin."""
    match value:
        case None:
            return "–"
        case bool():
            return str(value).lower()
        case str() if _MOMENT.fullmatch(value):
            return value[:16].replace("T", " ")
        case str():
            return _cut(visible(value))
        case {"items": items}:
            first = [f"{visible(str(one['value']))} {_text(one['count'])}" for one in items[:VALUES]]
            return _cut(", ".join(first)) or "–"
        case list():
            counts = [one["count"] for one in value]
            return _line(counts, max(counts, default=0))
        case int():
            return f"{value:,}"
        case _:
            return f"{value:,.4g}" if abs(value) < 1 else f"{value:,.2f}"


def _cut(text: str) -> str:
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def _span(item: Answer) -> str:
    """From when to when; of a day and more the days, the last one with it."""
    start, end = clock.parse(item["start"]), clock.parse(item["end"])
    if end - start < timedelta(days=1):
        return f"{start:%H:%M}–{end:%H:%M}"
    last = end - timedelta(seconds=1)
    return f"{start:%Y-%m-%d}" if last.date() == start.date() else f"{start:%Y-%m-%d} to {last:%Y-%m-%d}"


def _dated(item: Answer) -> str:
    """The same with the day on which it begins."""
    start, text = clock.parse(item["start"]), _span(item)
    return text if text.startswith(f"{start:%Y}-") else f"{start:%Y-%m-%d} {text}"
