"""Plots as SVG, in the colours of the page that they stand in: axes with names, units and round numbers."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from html import escape

from millrace.core import clock

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 320, 68, 20, 44, 48
COLOURS = 4
STEPS = 5
Point = tuple[float, float]
Form = Callable[[float], str]
"""A value of an axis as text."""


def percent(share: float) -> str:
    """A share of one."""
    return f"{share:.0%}"


def number(value: float) -> str:
    """A number with as many digits as it needs."""
    return f"{value:,.10g}"


def day(value: float) -> str:
    """A day by its number since 1970."""
    return (clock.EPOCH + timedelta(days=round(value))).date().isoformat()


def ticks(low: float, high: float, most: int = STEPS, *, whole: bool = False) -> list[float]:
    """Round values from `low` to `high`, at most `most` steps of 1, 2 or 5 times a power of ten."""
    span = max(high - low, 1e-9)
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * one for one in (1, 2, 5, 10, 20) if span / (power * one) <= most)
    if whole:
        step = max(1.0, math.ceil(step))
    first = math.ceil(low / step - 1e-9)
    return [round(at * step, 10) for at in range(first, math.floor(high / step + 1e-9) + 1)]


def lines(
    series: Mapping[str, Sequence[Point]],
    *,
    x_label: str,
    y_label: str,
    x_form: Form = number,
    y_form: Form = number,
    whole_days: bool = False,
    marks: Mapping[str, float] | None = None,
) -> str:
    """A line for each series, its name above the plot.

    Args:
        series: name → points, in the order of x.
        x_label: name of the axis, with its unit.
        y_label: likewise.
        x_form: how its values are written.
        y_form: likewise.
        whole_days: x are numbers of days.
        marks: name → x of a vertical line.
    """
    points = [point for line in series.values() for point in line]
    if not points:
        return _svg([_text(WIDTH / 2, HEIGHT / 2, "no data", "middle")])
    at = list(marks.values()) if marks else []
    x_from, x_to = min([x for x, _ in points] + at), max([x for x, _ in points] + at)
    y_to = 1.0 if y_form is percent else max(y for _, y in points) or 1.0
    if x_form is percent:
        x_from, x_to = 0.0, 1.0
    y_ticks = ticks(0, y_to)
    if y_ticks[-1] < y_to:
        y_to = y_ticks[-1] + (y_ticks[1] if len(y_ticks) > 1 else y_to)
        y_ticks = ticks(0, y_to, STEPS + 1)
    across, up = (WIDTH - LEFT - RIGHT) / ((x_to - x_from) or 1), (HEIGHT - TOP - BOTTOM) / y_to

    def place(point: Point) -> tuple[float, float]:
        return LEFT + (point[0] - x_from) * across, HEIGHT - BOTTOM - point[1] * up

    drawn = []
    for y in y_ticks:
        _, height = place((x_from, y))
        drawn.append(f'<path class="grid" d="M{LEFT} {height:.1f}H{WIDTH - RIGHT}"/>')
        drawn.append(_text(LEFT - 8, height + 4, y_form(y), "end"))
    for x in ticks(x_from, x_to, STEPS, whole=whole_days):
        across_at, _ = place((x, 0))
        drawn.append(f'<path class="axis" d="M{across_at:.1f} {HEIGHT - BOTTOM}v5"/>')
        drawn.append(_text(across_at, HEIGHT - BOTTOM + 19, x_form(x), _anchor(across_at)))
    drawn.append(f'<path class="axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
    drawn.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_label, "middle"))
    drawn.append(_text(LEFT - 60, TOP - 10, y_label, "start"))
    for name, x in (marks or {}).items():
        across_at, _ = place((x, 0))
        drawn.append(
            f'<path class="axis" stroke-dasharray="4 4" d="M{across_at:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
        )
        right = across_at < WIDTH * 0.7
        drawn.append(
            _text(across_at + (6 if right else -6), HEIGHT - BOTTOM - 8, name, "start" if right else "end")
        )
    for index, (name, line) in enumerate(series.items()):
        colour = f"var(--c{index % COLOURS})"
        placed = [f"{x:.1f},{y:.1f}" for x, y in map(place, line)]
        drawn.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="2" {_dashes(index)}points="{" ".join(placed)}"/>'
        )
        if len(line) <= 40:
            drawn += [
                f'<circle r="3" fill="{colour}" cx="{x}" cy="{y}"/>'
                for x, y in (one.split(",") for one in placed)
            ]
        drawn.append(
            _legend(index, name, f'<path stroke="{colour}" stroke-width="3" {_dashes(index)}d="M0 0h22"/>')
        )
    return _svg(drawn)


def bars(counts: Mapping[str, tuple[int, int]]) -> str:
    """Two bars for each name: of all, and of fraud."""
    most = max((both[0] for both in counts.values()), default=0) or 1
    step, left, top = 44, 150, 40
    height = top + step * max(1, len(counts)) + 8
    drawn = [
        _legend(index, name, f'<path stroke="var(--c{index})" stroke-width="10" d="M0 -2h22"/>')
        for index, name in enumerate(("fired", "on fraud"))
    ]
    for row, (name, both) in enumerate(counts.items()):
        y = top + row * step
        for index, count in enumerate(both):
            width = (WIDTH - left - 90) * count / most
            bar = y + index * 18
            drawn.append(
                f'<rect x="{left}" y="{bar}" width="{width:.1f}" height="15" fill="var(--c{index})"/>'
            )
            drawn.append(_text(left + width + 6, bar + 12, f"{count:,}", "start"))
        drawn.append(_text(left - 10, y + 21, name, "end"))
    if not counts:
        drawn.append(_text(WIDTH / 2, top + 20, "no factor is on", "middle"))
    return _svg(drawn, height)


def _dashes(index: int) -> str:
    """Lines differ without their colours, too."""
    return ("", 'stroke-dasharray="7 3" ', 'stroke-dasharray="2 3" ', 'stroke-dasharray="9 3 2 3" ')[
        index % COLOURS
    ]


def _legend(index: int, name: str, mark: str) -> str:
    x = LEFT + 150 * index
    return (
        f'<g transform="translate({x} 14)">{mark}<text x="28" y="5" font-size="13">{escape(name)}</text></g>'
    )


def _anchor(x: float) -> str:
    return "end" if x > WIDTH - 60 else "middle"


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="13">{escape(text)}</text>'


def _svg(drawn: Sequence[str], height: int = HEIGHT) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" xmlns="http://www.w3.org/2000/svg">{"".join(drawn)}</svg>'
