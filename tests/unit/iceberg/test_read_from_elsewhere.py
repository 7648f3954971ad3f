"""What docs/lakehouse.md tells users of other engines to write is what `make interop` runs."""

import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ENGINES = ("pyiceberg", "polars", "duckdb", "spark", "trino")
HOST = "127.0.0.1:4566"


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_documented_is_what_is_tested(engine: str) -> None:
    reader = (ROOT / "tests" / "interop" / "readers" / f"read_{engine}.py").read_text()
    run = re.search(
        rf"What docs/lakehouse.md says of {engine}:\n(.*?)^ *\S+ So far docs/lakehouse.md",
        reader,
        re.DOTALL | re.MULTILINE,
    )
    assert run is not None
    wanted = textwrap.dedent(run[1]).replace("{host}", HOST)
    assert wanted in (ROOT / "docs" / "lakehouse.md").read_text()
