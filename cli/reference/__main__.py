"""Writes `docs/reference/` from the code. `make reference` runs it; a test says when it is out of date."""

import sys
from pathlib import Path

from cli.places import checkout
from cli.reference import answers, commands, contracts, dialect, settings
from cli.reference.markdown import page, table

FOLDER = "docs/reference"


def pages(root: Path) -> dict[str, str]:
    """Every page, by the name of its file."""
    made = {
        "contracts.md": (
            "properties of a contract: of events, of tables, of their checks",
            contracts.contracts(),
        ),
        "codes.md": (
            "codes of refused events, statuses of the API, actions of the audit, exit codes",
            answers.codes(root),
        ),
        "limits.md": ("limits", answers.limit_page()),
        "commands.md": ("commands of `millrace`, with their options", commands.commands()),
        "routes.md": ("routes of the API, with their rights and statuses", answers.routes(root)),
        "dialect.md": (
            "SQL of tables and checks: what is refused, and what to write instead",
            dialect.sql(root),
        ),
        "settings.md": ("settings of the environments", settings.settings()),
    }
    index = page(
        "# Reference",
        "`make reference` writes these pages from the code; change the sentence there.",
        table(("page", "has"), ((f"[{name}]({name})", what) for name, (what, _) in made.items())),
    )
    return {"README.md": index, **{name: text for name, (_, text) in made.items()}}


def main() -> int:
    """Writes the pages, and removes what is none of them."""
    root = checkout().root
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    made = pages(root)
    for path in folder.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{FOLDER}/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
