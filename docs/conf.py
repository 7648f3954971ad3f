"""How `make docs` makes a site of this folder with Sphinx: what is in the menu, and how it looks.

The pages are plain Markdown for readers of the repository: the menu is added here, and nowhere in them.
"""

import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
project = "Millrace"
html_title = "Millrace"
root_doc = "README"
source_suffix = {".md": "markdown"}
extensions = ["myst_parser"]
# Links to a heading are as GitHub has them.
myst_heading_anchors = 4
highlight_language = "text"
# Examples shorten JSON by "…".
suppress_warnings = ["misc.highlighting_failure"]
html_theme = "furo"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
# Caption → pages. The pages of a folder stand below its README, in the order in which it links to them.
MENU = {
    "Use": ("guide/README", "reference/README", "api", "clients", "recipes"),
    "Run": ("local", "runbook", "sign-in", "access", "security", "audit", "cost", "requirements"),
    "Parts": (
        "databases",
        "lakehouse",
        "features",
        "models",
        "protection",
        "personal-data",
        "erasure",
        "fraud",
        "real-time",
        "aggregates",
        "patterns",
        "anomalies",
        "sigma",
        "alerts",
    ),
    "Inside": ("architecture", "guarantees", "keys", "glossary", "adr/README"),
}


def menu(name: str) -> dict[str, tuple[str, ...]]:
    """Caption → pages that a page has below it in the menu; the pages of a folder have no caption."""
    if name == root_doc:
        return MENU
    path = HERE / f"{name}.md"
    if path.stem != root_doc:
        return {}
    linked = re.findall(r"\]\(([\w.-]+)\.md\b", path.read_text(encoding="utf-8"))
    others = sorted(one.stem for one in path.parent.glob("*.md") if one != path)
    return {"": tuple(dict.fromkeys(one for one in (*linked, *others) if one in others))}


def _read(_: Any, name: str, source: list[str]) -> None:
    for caption, pages in menu(name).items():
        head = f":caption: {caption}\n" if caption else ""
        source[0] += "\n\n```{toctree}\n:hidden:\n" + head + "\n" + "\n".join(pages) + "\n```\n"
    # A file of the repository outside of this folder comes along as it is.
    outside = re.escape("](" + "../" * (name.count("/") + 1))
    source[0] = re.sub(outside, lambda found: found[0].replace("](", "](path:"), source[0])


def _add_index(app: Any, error: Exception | None) -> None:
    if error is None:
        text = (
            '<!doctype html><title>Millrace</title><meta http-equiv="refresh" content="0; url=README.html">\n'
        )
        (Path(app.outdir) / "index.html").write_text(text, encoding="utf-8")


def setup(app: Any) -> None:
    """What Sphinx calls first."""
    app.connect("source-read", _read)
    app.connect("build-finished", _add_index)
