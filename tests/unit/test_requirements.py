"""docs/requirements.md has every row, with a state, and names nothing that is not there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/requirements.md").read_text()
LAST = {"A": 14, "B": 5, "C": 9, "D": 14, "E": 4, "F": 7, "G": 8, "H": 6, "I": 5}


def rows() -> dict[str, list[str]]:
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in TEXT.splitlines()]
    return {row[0]: row[1:] for row in cells if re.fullmatch(r"[A-I]\d+", row[0])}


def test_every_row_is_there_with_a_state() -> None:
    assert set(rows()) == {f"{letter}{n}" for letter, last in LAST.items() for n in range(1, last + 1)}
    for name, (_, state, code, test, _command) in rows().items():
        assert re.match(r"(works|partly|not yet)\b", state), name
        if state.startswith("works"):
            assert code, name
            assert test, name
        if state.startswith("partly"):
            assert len(state) > len("partly: "), name


def test_what_a_row_names_exists() -> None:
    for name, cells in rows().items():
        for path in re.findall(r"`([\w./-]+/[\w./-]*|[\w.-]+\.(?:py|md|yaml))`", " ".join(cells[2:4])):
            place = (
                path.replace("millrace/", "layers/millrace/python/millrace/", 1)
                if path.startswith("millrace/")
                else path
            )
            assert (ROOT / place).exists(), f"{name}: {path}"
