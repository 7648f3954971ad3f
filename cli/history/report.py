"""The report of a back-test: one HTML page with its plots inline; it loads nothing, and follows the light or dark of its reader."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from cli.history import plots, words

_STYLE = (
    ":root{color-scheme:light dark;--ink:#1c2733;--soft:#51616e;--rule:#d5dde3;--back:#fff;"
    "--c0:#0b6e99;--c1:#b8480c;--c2:#2f6f2c;--c3:#7a3d76}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e4ebf1;--soft:#a3b3bf;--rule:#3a4854;--back:#12181e;"
    "--c0:#5bb8e0;--c1:#f08a4b;--c2:#7cc078;--c3:#cf94ca}}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:760px;margin:2em auto;padding:0 1em;color:var(--ink);"
    "background:var(--back);overflow-wrap:anywhere}"
    "h1{font-size:1.5em}h2{font-size:1.15em;margin:2em 0 .3em}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;margin:.6em 0;overflow-wrap:normal}"
    "td,th{padding:.25em .7em;text-align:right;border-bottom:1px solid var(--rule);vertical-align:top}"
    "td:first-child,th:first-child,td.text,th.text{text-align:left}td.number{white-space:nowrap}td.text{min-width:13em}"
    "figure{margin:0;overflow-x:auto}svg{width:100%;min-width:480px;height:auto;display:block;font-family:inherit}"
    "svg text{fill:var(--soft)}svg .axis{stroke:var(--soft);fill:none}svg .grid{stroke:var(--rule);fill:none}"
    "@media(max-width:520px){td,th{padding:.25em .35em;font-size:.85em}}"
    "p{margin:.4em 0}li{margin:.2em 0}.soft{color:var(--soft)}"
)


def page(result: Mapping[str, Any], *, title: str, notes: Sequence[str]) -> str:
    """The whole page."""
    baseline = result.get("baseline")
    said = list(words.sentences(result))
    parts = [
        f"<h1>{escape(title)}</h1>",
        *(f"<p>{escape(line)}</p>" for line in said if not line.startswith("  ")),
        _changes(result),
        _summary(result, baseline),
        "".join(f'<p class="soft">{escape(note)}.</p>' for note in [*notes, *_off(result)]),
        _figure(
            "Precision, recall and money caught, by the score from which an alert is raised",
            plots.lines(
                {
                    name: [(one["score"], one[key]) for one in result["curve"]]
                    for name, key in (
                        ("precision", "precision"),
                        ("recall", "recall"),
                        ("money caught", "money"),
                    )
                },
                x_label="score from which an alert is raised",
                y_label="share",
                y_form=plots.percent,
                marks={"the rules' alert": result["alertFrom"]},
            ),
        ),
        _figure(
            "Precision over recall",
            plots.lines(
                {"rules": _precision_recall(result), **_other(baseline)},
                x_label="recall: frauds caught, of all frauds",
                y_label="precision: frauds, of all alerts",
                x_form=plots.percent,
                y_form=plots.percent,
            ),
        ),
        _figure(
            "Money of fraud a day, and how much of it was caught",
            plots.lines(
                _money(result), x_label="day (UTC)", y_label="amount", x_form=plots.day, whole_days=True
            ),
        ),
        _figure("How often each factor fired, and how often on fraud", plots.bars(_factors(result))),
        *(_examples(kind, kept) for kind, kept in result["examples"].items()),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _changes(result: Mapping[str, Any]) -> str:
    changes = result["rules"]["changes"]
    if not changes:
        return ""
    items = "".join(f"<li>{escape(change)}</li>" for change in changes)
    return f"<h2>What differs in the rules</h2><ul>{items}</ul>"


def _summary(result: Mapping[str, Any], baseline: Mapping[str, Any] | None) -> str:
    names = {
        "rulesVersion": "version of the rules",
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
    cells = [
        (label, _formatted(value), *([_formatted(other)] if baseline else [])) for label, value, other in rows
    ]
    return _table(("", "rules", *(["baseline"] if baseline else [])), cells)


def _examples(kind: str, kept: Mapping[str, Any]) -> str:
    title = f"<h2>{escape(words.TITLES[kind])}</h2>"
    items = kept["items"]
    if not items:
        return f'{title}<p class="soft">None.</p>'
    shown = f"{len(items)} of {kept['count']:,}, those of most money." if kept["count"] > len(items) else ""
    rows = [
        (
            words.name(one),
            one["at"].replace("T", " ").removesuffix("Z"),
            "" if one["amount"] is None else f"{one['amount']:,.2f}",
            words.why(one),
        )
        for one in items
    ]
    drawn = _table(("transaction", "time (UTC)", "amount", "why"), rows, text=(3,))
    return f'{title}<p class="soft">{shown}</p>{drawn}'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], text: Sequence[int] = ()) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return (
            "<tr>"
            + "".join(
                f'<{tag} class="{"text" if at in text else "number"}">{escape(cell)}</{tag}>'
                for at, cell in enumerate(cells)
            )
            + "</tr>"
        )

    return (
        f'<div class="wide"><table>{line(head, "th")}{"".join(line(row, "td") for row in rows)}</table></div>'
    )


def _off(result: Mapping[str, Any]) -> list[str]:
    return [f"The factor {name} is off: {reason}" for name, reason in result["off"].items()]


def _formatted(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4f}" if abs(value) <= 1 else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _precision_recall(result: Mapping[str, Any]) -> list[plots.Point]:
    return sorted((one["recall"], one["precision"]) for one in result["curve"])


def _other(baseline: Mapping[str, Any] | None) -> dict[str, list[plots.Point]]:
    return {} if baseline is None else {"baseline": _precision_recall(baseline)}


def _money(result: Mapping[str, Any]) -> dict[str, list[plots.Point]]:
    return {
        name: [(one["day"], one[key]) for one in result["days"]]
        for name, key in (("of fraud", "fraud"), ("caught", "caught"))
    }


def _factors(result: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    return {
        name: (count, result["fraudByFactor"][name])
        for name, count in result["byFactor"].items()
        if name not in result["off"]
    }


def _figure(title: str, drawing: str) -> str:
    return f"<h2>{escape(title)}</h2><figure>{drawing}</figure>"
