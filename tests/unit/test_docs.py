"""Every link of the documentation leads somewhere, and every page is in the menu of the site."""

import re
import runpy
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from cli import docs
from cli.places import Places

pytestmark = pytest.mark.unit
ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
ELSEWHERE = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "clients/python/README.md")]
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


@cache
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def anchors(path: Path) -> set[str]:
    """The names of a page's headings, as GitHub and the site make them."""
    prose = re.sub(r"```.*?```", "", text(path), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> list[str]:
    found = []
    for link in _LINK.findall(_CODE.sub("", text(page))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / unquote(name)).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", [*PAGES, *ELSEWHERE], ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_every_page_is_in_the_menu_once() -> None:
    conf: dict[str, Any] = runpy.run_path(str(ROOT / "docs/conf.py"))
    listed, left = [conf["root_doc"]], [conf["root_doc"]]
    while left:
        name = left.pop()
        folder = Path(name).parent
        below = [str(folder / page) for pages in conf["menu"](name).values() for page in pages]
        listed += below
        left += below
    assert sorted(listed) == sorted(str(path.relative_to(ROOT / "docs").with_suffix("")) for path in PAGES)


def test_every_page_and_every_decision_is_in_its_index() -> None:
    for folder in (ROOT / "docs", ROOT / "docs/adr"):
        index = text(folder / "README.md")
        missing = [page.name for page in folder.glob("*.md") if f"({page.name})" not in index]
        assert missing == ["README.md"], folder


def test_each_kind_of_item_stands_once_among_the_keys() -> None:
    for section in text(ROOT / "docs/keys.md").split("\n## ")[1:]:
        table, _, rows = section.partition("\n")
        kinds = re.findall(r"^\| (`[^|]*\|[^|]*)\|", rows, flags=re.MULTILINE)
        if table == "SubjectKeys":
            kinds = [kind.partition("|")[0] for kind in kinds]
        assert kinds, table
        assert len(kinds) == len(set(kinds)), table


def test_the_guide_is_named_where_it_is(tmp_path: Path) -> None:
    places = Places(tmp_path)
    assert docs.guide(places) == "docs/guide/README.md (make docs makes a site of it)"
    made = tmp_path / docs.SITE / "guide/README.html"
    made.parent.mkdir(parents=True)
    made.touch()
    assert docs.guide(places) == "build/docs/site/guide/README.html"
