"""Handlers of the functions, as a new copy of a function has them."""

import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from millrace.core.edge import Edge

FUNCTIONS = Path(__file__).parents[2] / "functions"
STEMS = tuple(sorted(path.parent.name for path in FUNCTIONS.glob("*/handler.py")))


@contextmanager
def function(stem: str, environ: Mapping[str, str] | None = None) -> Iterator[Edge[Any]]:
    """The handler of a function, not yet started, with the function's environment in force while it is used."""
    kept = dict(os.environ)
    os.environ.update(environ or {})
    try:
        handler: Edge[Any] = importlib.import_module(f"functions.{stem}.handler").handler
        yield handler.restarted()
    finally:
        os.environ.clear()
        os.environ.update(kept)
