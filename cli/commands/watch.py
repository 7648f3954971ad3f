"""`millrace watch`: windows of an aggregate as they fill."""

import re
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from cli.api import Api
from cli.errors import UsageError
from cli.options import Env, Json, Org
from cli.output import fitted, out, print_json, visible
from cli.target import find_target
from millrace.core import clock

PATH = "/v1/analytics"
# Windows before the one under way, each a mark of the line of a key.
PAST = 11
LEVELS = " ▁▂▃▄▅▆▇█"
MOST_ITEMS = 500
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
    top: Annotated[int, typer.Option("--top", min=1, max=40, help="Keys of a window at most.")] = 15,
    every: Annotated[float, typer.Option("--every", min=1, help="Seconds between two reads.")] = 5.0,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Watch the windows of an aggregate, until Ctrl-C (exit code 130).

    A pipe and --json get the last twelve windows once, as the API answers them.
    """
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
    if known["keys"]:
        query["top"] = str(top)

    def read() -> Answer:
        asked = {name: value for name, value in query.items() if value is not None}
        # Windows of several days: the one that is under way.
        if _seconds(window or known["window"]) <= _SECONDS["d"]:
            since = clock.now() - timedelta(seconds=PAST * _seconds(slide or window or known["window"]))
            asked["from"] = clock.utc_text(since)
        answer: Answer = api.ask("GET", f"{PATH}/{quote(metric, safe='')}", query=asked)
        return answer

    if as_json or not sys.stdout.isatty():
        print_json(read())
        return
    with Live(_drawn(read(), known), console=out, auto_refresh=False) as live:
        while True:
            time.sleep(every)
            live.update(_drawn(read(), known), refresh=True)


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
    return fitted(["aggregate", "by", "measures", "window"], rows, folded=["by", "measures"])


def _drawn(answer: Answer, known: Answer) -> RenderableType:
    """A table of the newest window, with the ones before as a line; without keys a row for each window."""
    items = [_flat(one, known) for one in answer["items"]]
    if not items:
        return Text(f"{answer['metric']}: nothing in the last windows of {answer['window']}.")
    named = [name for one in known["measures"] for name in _columns(one, answer["items"][-1])]
    measured = [name for name in named if _is_shown([one.get(name) for one in items])]
    body = _by_key(items, measured, known) if known["keys"] else _by_window(items, measured)
    newest = items[-1]
    until = f"{_span(newest)} UTC"
    notes = [f"{answer['metric']}, windows of {answer['window']} by {answer['slide']}; the last is {until}"]
    notes += [_funnel(name, items[-1][name]) for name in _funnels(known) if not known["keys"]]
    if answer["otherKeys"]:
        notes.append("there are more keys than are kept: the rest is (other)")
    if answer["late"]:
        notes.append(f"{answer['late']:,} events came too late to be counted")
    return Group(body, Text("\n".join(notes), style="dim", no_wrap=False, overflow="fold"))


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


def _by_window(items: Sequence[Answer], measured: Sequence[str]) -> RenderableType:
    rows = [[_span(one), *(_number(one[name]) for name in measured)] for one in items[-PAST - 1 :]]
    return fitted(["window", *measured], rows, folded=(), optional=measured[:0:-1])


def _by_key(items: Sequence[Answer], measured: Sequence[str], known: Answer) -> RenderableType:
    starts = sorted({one["start"] for one in items})
    by_name: dict[str, dict[str, Answer]] = {}
    for one in items:
        by_name.setdefault(_name(one), {})[one["start"]] = one
    # What the line is of.
    counted = next((name for name in measured if not any(_is_moment(one[name]) for one in items)), None)
    greatest = max((float(one[counted] or 0) for one in items), default=0.0) if counted else 0.0
    newest = [_name(one) for one in items if one["start"] == starts[-1]]
    rows = []
    for name in newest:
        held = by_name[name]
        line = [held[start][counted] if start in held and counted else 0 for start in starts]
        now = held[starts[-1]]
        rows.append([name, _line(line, greatest), *(_number(now[measure]) for measure in measured)])
    heading = ", ".join(key["name"] for key in known["keys"])
    columns = [heading, f"{len(starts)} windows", *measured]
    return fitted(columns, rows, folded=[heading], optional=measured[:0:-1])


def _name(item: Answer) -> str:
    if item.get("other"):
        return "(other)"
    return ", ".join("–" if value is None else visible(str(value)) for value in item["key"].values())


def _line(values: Sequence[float | None], greatest: float) -> str:
    most = len(LEVELS) - 1
    return "".join(
        LEVELS[0 if not value or not greatest else max(1, round(value / greatest * most))] for value in values
    )


def _is_shown(values: Sequence[Any]) -> bool:
    """Whether all are numbers, or all moments, but for those that are absent."""
    found = [value for value in values if value is not None]
    return all(map(_is_number, found)) or all(map(_is_moment, found))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_moment(value: Any) -> bool:
    return isinstance(value, str) and _MOMENT.fullmatch(value) is not None


def _number(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return value[:16].replace("T", " ")
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 1 else f"{value:,.2f}"


def _span(item: Answer) -> str:
    """From when to when; of a day and more the days, the last one with it."""
    start, end = clock.parse(item["start"]), clock.parse(item["end"])
    if end - start < timedelta(days=1):
        return f"{start:%H:%M}–{end:%H:%M}"
    last = end - timedelta(seconds=1)
    return f"{start:%Y-%m-%d}" if last.date() == start.date() else f"{start:%Y-%m-%d} to {last:%Y-%m-%d}"
