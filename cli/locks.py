"""Makes `locks/`: the versions and hashes of all that is installed, from the requirements. `make locks` runs it.

A lock holds for every interpreter and system that Millrace runs on. Its first line is a hash of the requirements that it was
made from, so that a test notices one that is out of date. Versions that a lock has stay until a requirement asks for others.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cli import bootstrap, docs, notebook
from cli.bootstrap import LOCKS, ROOT, pins
from cli.local import emulator
from cli.mlflow import server

OLDEST_PYTHON = "3.11"
HEADER = "# Made by `make locks` from requirements of sha256 "


def _layers() -> list[str]:
    return [pin for file in sorted(ROOT.glob("layers/*/requirements.txt")) for pin in pins(file)]


def _dev() -> list[str]:
    return [*pins(ROOT / bootstrap.FILES["dev"]), bootstrap.UV, *emulator.REQUIREMENTS]


# What cannot be installed together has a lock of its own.
REQUIREMENTS: Mapping[str, Callable[[], Sequence[str]]] = {
    bootstrap.LOCK: _dev,
    "layers.txt": _layers,
    "training.txt": lambda: pins(ROOT / "training/requirements.txt"),
    "mlflow.txt": lambda: server.REQUIREMENTS,
    "docs.txt": lambda: docs.REQUIREMENTS,
    "notebook.txt": notebook.requirements,
    "dbt.txt": lambda: pins(ROOT / "warehouse/requirements.txt"),
}


def header(requirements: Sequence[str]) -> str:
    """The first line of a lock of these requirements."""
    listed = "\n".join(sorted(set(requirements)))
    return f"{HEADER}{hashlib.sha256(listed.encode()).hexdigest()}\n"


def lock(name: str) -> None:
    """Makes one lock.

    Raises:
        CalledProcessError: uv found no versions that go together, or no network; it has said which.
    """
    target, requirements = LOCKS / name, REQUIREMENTS[name]()
    with tempfile.TemporaryDirectory() as folder:
        wanted, made = Path(folder) / "requirements.txt", Path(folder) / name
        wanted.write_text("\n".join(sorted(set(requirements))))
        if target.exists():
            made.write_text(target.read_text())
        command = [str(bootstrap.uv()), "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
        command += ["--no-annotate", "--no-header", "--python-version", OLDEST_PYTHON]
        command += [str(wanted), "--output-file", str(made)]
        if name == "layers.txt":
            # What functions run is what the tests run.
            command += ["--constraint", str(LOCKS / bootstrap.LOCK)]
        subprocess.run(
            command, check=True, env={**os.environ, **bootstrap.uv_settings()}, stdout=subprocess.DEVNULL
        )
        target.write_text(header(requirements) + made.read_text())


def main() -> int:
    """Makes every lock."""
    LOCKS.mkdir(exist_ok=True)
    for name in REQUIREMENTS:
        lock(name)
        sys.stdout.write(f"locks/{name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
