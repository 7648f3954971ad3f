"""What SQL a transform, a check and a feature may say, from the tables that the compiler judges by."""

import re
from collections.abc import Iterator
from pathlib import Path

from cli.reference.markdown import code, docstring, page, table
from millrace.compiler.warehouse import dialect, render, widths
from millrace.features import expression
from millrace.quality import written

_MACRO = re.compile(r"\{#(.*?)#\}\s*\{% macro (\w+\([^)]*\))", re.DOTALL)


def sql(root: Path) -> str:
    """The page."""
    return page(
        "# SQL of tables and checks",
        "Marts, gold and ml_features are transforms: models of the dbt project `warehouse/`.",
        docstring(dialect, 0, 1),
        "## Refused, and what to write instead",
        table(("what", "why, and instead"), ((one.written, one.sentence) for one in dialect.REFUSALS)),
        "## Lists",
        docstring(dialect, 2),
        "## Numbers",
        docstring(widths, 1),
        "## Words of dbt",
        docstring(render, 1),
        table(("macro", "is"), _macros(root)),
        table(("instead of", "write"), ((code(name), text) for name, text in render.INSTEAD.items())),
        "## Checks",
        docstring(written, 1),
        "## Filters and derived features",
        docstring(expression, 0, 1),
        table(
            ("function", "values"),
            (
                (code(name), f"{low}" if low == high else f"{low} to {high}")
                for name, (low, high, _) in expression.FUNCTIONS.items()
            ),
        ),
    )


def _macros(root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted((root / "warehouse/macros").glob("*.sql")):
        for sentence, name in _MACRO.findall(path.read_text(encoding="utf-8")):
            yield code(name), sentence
