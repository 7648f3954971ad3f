"""The report as one HTML page that needs nothing else."""

from collections.abc import Iterator
from html import escape

from cli.compliance.report import Report, Section, cells

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1a1a1a }
h2 { margin-top: 2.2rem; border-bottom: 1px solid #ccc } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #e5e5e5; vertical-align: top }
.attention { color: #a30000; font-weight: 600 } @media print { body { margin: 0; max-width: none } }
"""


def html(report: Report) -> str:
    """The page."""
    return "\n".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            f"<title>{escape(report.title)}</title><style>{_STYLE}</style>",
            f"<h1>{escape(report.title)}</h1><p>{escape(report.subtitle)}</p>",
            *(line for section in report.sections for line in _section(section)),
            "</html>",
        ]
    )


def _section(section: Section) -> Iterator[str]:
    kind = ' class="attention"' if section.attention else ""
    yield f"<h2>{escape(section.title)}</h2><p{kind}>{escape(section.sentence)}</p><table>"
    for number, row in enumerate(cells(section)):
        tag = "td" if number else "th"
        yield "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) + "</tr>"
    yield "</table>"
