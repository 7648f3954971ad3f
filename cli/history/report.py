"""The report of a back-test: one HTML page with its plots inline; it loads nothing."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from html import escape
from typing import Any

from millrace.core import clock

WIDTH, HEIGHT, LEFT, BOTTOM = 720, 280, 64, 36
COLOURS = ("#0b6e99", "#c2571a", "#3d7a3a", "#7a3d76")
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:760px;margin:2em auto;padding:0 1em;color:#1c2733}"
    "table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #d5dde3}"
    "td:first-child,th:first-child{text-align:left}svg{width:100%;height:auto}figcaption{color:#51616e}"
)
Point = tuple[float, float]


def page(result: Mapping[str, Any], *, title: str, notes: Sequence[str]) -> str:
    """The whole page."""
    baseline = result.get("baseline")
    parts = [
        f"<h1>{escape(title)}</h1>",
        _summary(result, baseline),
        "".join(f"<p>{escape(note)}.</p>" for note in [*notes, *_off(result)]),
        _figure(
            "Precision and recall by the score from which an alert is raised",
            _lines(
                {
                    name: [(one["score"], one[name]) for one in result["curve"]]
                    for name in ("precision", "recall", "money")
                },
                x_label="score",
            ),
        ),
        _figure(
            "Precision over recall",
            _lines({"rules": _precision_recall(result), **_other(baseline)}, x_label="recall"),
        ),
        _figure(
            "Money of fraud a day, and how much of it was caught",
            _lines(_money(result), x_label="", days=True),
        ),
        _figure("How often each factor fired, and how often on fraud", _bars(result)),
    ]
    body = "\n".join(parts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _summary(result: Mapping[str, Any], baseline: Mapping[str, Any] | None) -> str:
    names = {
        "rulesVersion": "rules",
        "rows": "transactions",
        "fraud": "of them fraud",
        "alerts": "alerts",
        "alertRate": "alert rate",
        "precision": "precision",
        "recall": "recall",
        "f1": "F1",
    }
    rows = [(label, result[name], baseline[name] if baseline else None) for name, label in names.items()]
    for name, label in (
        ("fraud", "money of fraud"),
        ("caught", "money caught"),
        ("stoppedInError", "stopped in error"),
    ):
        rows.append((label, result["money"][name], baseline["money"][name] if baseline else None))
    head = f"<tr><th></th><th>rules</th>{'<th>baseline</th>' if baseline else ''}</tr>"
    lines = "".join(
        f"<tr><td>{label}</td><td>{_formatted(value)}</td>{f'<td>{_formatted(other)}</td>' if baseline else ''}</tr>"
        for label, value, other in rows
    )
    return f"<table>{head}{lines}</table>"


def _off(result: Mapping[str, Any]) -> list[str]:
    return [f"The factor {name} is off: {reason}" for name, reason in result["off"].items()]


def _formatted(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4f}" if abs(value) <= 1 else f"{value:,.2f}"
    return escape(f"{value:,}" if isinstance(value, int) else str(value))


def _precision_recall(result: Mapping[str, Any]) -> list[Point]:
    return sorted((one["recall"], one["precision"]) for one in result["curve"])


def _other(baseline: Mapping[str, Any] | None) -> dict[str, list[Point]]:
    return {} if baseline is None else {"baseline": _precision_recall(baseline)}


def _money(result: Mapping[str, Any]) -> dict[str, list[Point]]:
    return {name: [(one["day"], one[name]) for one in result["days"]] for name in ("fraud", "caught")}


def _figure(caption: str, drawing: str) -> str:
    return f"<figure>{drawing}<figcaption>{escape(caption)}</figcaption></figure>"


def _lines(series: Mapping[str, Sequence[Point]], *, x_label: str, days: bool = False) -> str:
    points = [point for line in series.values() for point in line]
    if not points:
        return "<svg></svg>"
    x_from, x_to = min(x for x, _ in points), max(x for x, _ in points)
    y_to = max(y for _, y in points) or 1.0
    across, up = (WIDTH - LEFT - 16) / ((x_to - x_from) or 1), (HEIGHT - BOTTOM - 24) / y_to

    def place(point: Point) -> str:
        return f"{LEFT + (point[0] - x_from) * across:.1f},{HEIGHT - BOTTOM - point[1] * up:.1f}"

    drawn = [_axes()]
    for share in (0, 0.5, 1):
        y = HEIGHT - BOTTOM - share * y_to * up
        drawn.append(
            _text(LEFT - 6, y + 4, f"{share * y_to:,.2f}" if y_to <= 1 else f"{share * y_to:,.0f}", "end")
        )
        x = x_from + share * (x_to - x_from)
        drawn.append(
            _text(LEFT + (x - x_from) * across, HEIGHT - BOTTOM + 16, _day(x) if days else f"{x:g}", "middle")
        )
    drawn.append(_text(WIDTH - 16, HEIGHT - 4, x_label, "end"))
    for number, (name, line) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(map(place, line))
        drawn.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>')
        if len(line) <= 40:
            drawn += [
                f'<circle r="3" fill="{colour}" cx="{x}" cy="{y}"/>'
                for x, y in (place(point).split(",") for point in line)
            ]
        drawn.append(_text(LEFT + 12 + 110 * number, 14, name, "start", colour))
    return _svg(drawn)


def _bars(result: Mapping[str, Any]) -> str:
    names = [name for name in result["byFactor"] if name not in result["off"]]
    most = max([result["byFactor"][name] for name in names], default=0) or 1
    step = (HEIGHT - 30) / max(1, len(names))
    drawn = []
    for number, name in enumerate(names):
        y = 10 + number * step
        for key, colour, at in (("byFactor", COLOURS[0], 0.0), ("fraudByFactor", COLOURS[1], 0.4)):
            count = result[key][name]
            width = (WIDTH - 300) * count / most
            drawn.append(
                f'<rect x="140" y="{y + at * step:.1f}" width="{width:.1f}" height="{step * 0.35:.1f}" fill="{colour}"/>'
            )
            drawn.append(_text(146 + width, y + (at + 0.3) * step, f"{count:,}", "start", colour))
        drawn.append(_text(132, y + step * 0.45, name, "end"))
    return _svg(drawn)


def _axes() -> str:
    floor = HEIGHT - BOTTOM
    return f'<path d="M{LEFT} 20V{floor}H{WIDTH - 12}" fill="none" stroke="#8fa1ad"/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#51616e") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="12" fill="{colour}">{escape(text)}</text>'


def _svg(drawn: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" xmlns="http://www.w3.org/2000/svg">{"".join(drawn)}</svg>'


def _day(number: float) -> str:
    return (clock.EPOCH + timedelta(days=round(number))).date().isoformat()
