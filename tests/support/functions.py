"""Loads a function's handler as Lambda does: its own folder first on the path, a module set of its own."""

import importlib
import os
import sys
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
    folder = str(FUNCTIONS / stem)
    sys.path.insert(0, folder)
    os.environ.update(environ or {})
    try:
        yield _load()
    finally:
        sys.path.remove(folder)
        os.environ.clear()
        os.environ.update(kept)


def _load() -> ModuleType:
    for name in ("handler", "settings"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    module = importlib.import_module("handler")
    for name in ("handler", "settings"):
        sys.modules.pop(name, None)
    return module
