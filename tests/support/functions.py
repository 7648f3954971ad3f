"""A function's handler as a cold copy of it has it, with the function's environment in force."""

import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

FUNCTIONS = Path(__file__).parents[2] / "functions"
STEMS = tuple(sorted(path.parent.name for path in FUNCTIONS.glob("*/handler.py")))


@contextmanager
def function(stem: str, environ: Mapping[str, str] | None = None) -> Iterator[ModuleType]:
    """The handler module of a function, with its environment in force while it is used."""
    kept = dict(os.environ)
    os.environ.update(environ or {})
    try:
        yield importlib.reload(importlib.import_module(f"functions.{stem}.handler"))
    finally:
        os.environ.clear()
        os.environ.update(kept)
