"""The layer of our own code and contracts, assembled once a run of the tests: what it compiles takes seconds."""

from functools import cache
from pathlib import Path

from layers import build
from tests.support import workers


@cache
def assembled() -> Path:
    """A folder of layers with only our own in it, which all processes read and none writes to."""
    return Path(workers.once("layers", _assemble))


def bundle() -> Path:
    """The compiled contracts of `schemas/` in it."""
    return assembled() / "millrace" / "python" / "millrace" / "bundle"


def _assemble() -> str:
    folder = workers.folder("millrace-layers-")
    build.platform_layer(build=folder)
    return str(folder)
