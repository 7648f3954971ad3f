"""The threat model: each threat has a control and a test, and the tests that it names are there."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
KINDS = {"S", "T", "R", "I", "D", "E"}


def threats() -> list[list[str]]:
    """The cells of each row of a table of threats."""
    rows = []
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 4 and set(cells[0].split(", ")) <= KINDS:
            rows.append(cells)
    return rows


@pytest.mark.parametrize("cells", threats(), ids=lambda cells: cells[1][:40])
def test_a_threat_has_a_control_and_tests_that_exist(cells: list[str]) -> None:
    _, threat, control, tests = cells
    assert threat
    assert len(control) > 10
    named = re.findall(r"`([^`]+)`", tests)
    assert named
    for test in named:
        file, _, name = test.partition("::")
        assert "def test_" in (ROOT / file).read_text()
        assert f"def {name}(" in (ROOT / file).read_text() or not name


def test_every_kind_of_threat_is_looked_at_where_strangers_come_in() -> None:
    api = PAGE.split("## The API")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| ([STRIDE]) \|", api, flags=re.MULTILINE)) == KINDS
    assert len(threats()) >= 20
