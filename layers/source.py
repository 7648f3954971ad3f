"""The source archive of the training job: what SageMaker's container unpacks, installs and runs.

`python -m layers.source` writes `build/training/sourcedir.tar.gz`; its bytes change only when something in it does.
"""

import sys
from pathlib import Path

from cli import bootstrap
from layers.build import ROOT, SOURCE
from millrace.core.archive import pack

ENTRY = "train.py"
TRAINING = ROOT / "training"
# What the container installs: with its hashes, and all of what the requirements bring along.
LOCK = bootstrap.LOCKS / "training.txt"
TARGET = ROOT / "build" / "training" / "sourcedir.tar.gz"
# What the job imports, and no more: the rows bring what the views say, so no bundle goes along.
PACKAGES = ("core", "features", "training", "model_registry")


def files(training: Path = TRAINING, source: Path = SOURCE) -> dict[str, bytes]:
    """The archive's files by name: `train.py`, `requirements.txt`, and `millrace/…`."""
    found = {ENTRY: (training / ENTRY).read_bytes(), "requirements.txt": LOCK.read_bytes()}
    package = source / "millrace"
    modules = [
        package / "__init__.py",
        *(path for name in PACKAGES for path in (package / name).glob("*.py")),
    ]
    return {**found, **{path.relative_to(source).as_posix(): path.read_bytes() for path in modules}}


def write(target: Path = TARGET) -> Path:
    """Writes the archive, unless the same lies there."""
    content = pack(files())
    if not (target.is_file() and target.read_bytes() == content):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return target


if __name__ == "__main__":
    sys.stdout.write(f"{write()}\n")
