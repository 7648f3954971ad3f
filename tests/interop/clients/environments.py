"""An environment for each client below `build/clients`: some need other versions of a package than others do."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cli import bootstrap

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
BUILD = ROOT / "build" / "clients"
SECONDS = 300


def run_python(name: str, **told: str) -> Any:
    """What `scripts/use_<name>.py` prints last, as JSON, run in an environment with `requirements/<name>.txt`."""
    return run([python_environment(name), HERE / "scripts" / f"use_{name}.py"], BUILD, told)


def run_node(name: str, **told: str) -> Any:
    """The same of `scripts/use_<name>.mjs`, with the packages of `requirements/<name>.json`."""
    folder = node_environment(name)
    # Node looks for packages beside the script.
    script = folder / f"use_{name}.mjs"
    script.write_text((HERE / "scripts" / script.name).read_text())
    return run([ROOT / ".venv" / "bin" / "node", script], folder, told)


def python_environment(name: str) -> Path:
    """The Python of an environment with `requirements/<name>.txt`; skips the test where it cannot be installed."""
    BUILD.mkdir(parents=True, exist_ok=True)
    folder = BUILD / name
    try:
        requirements = bootstrap.pins(HERE / "requirements" / f"{name}.txt")
        bootstrap.ensure(folder, requirements, stamp=".installed", what=name)
    except bootstrap.SetupError as error:
        pytest.skip(f"{name} could not be installed: {str(error).splitlines()[0]}")
    return folder / "bin" / "python"


def node_environment(name: str) -> Path:
    """A folder with the packages of `requirements/<name>.json`; skips the test where they cannot be installed."""
    folder = BUILD / name
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "requirements" / f"{name}.json").read_text()
    package = folder / "package.json"
    if not (folder / "node_modules").is_dir() or not package.exists() or package.read_text() != wanted:
        package.write_text(wanted)
        npm = [str(ROOT / ".venv" / "bin" / "npm"), "install", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(npm, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode:
            package.unlink()
            pytest.skip(f"{name} could not be installed: {done.stderr.strip().splitlines()[-1:]}")
    return folder


def run(command: Sequence[str | Path], folder: Path, told: Mapping[str, str]) -> Any:
    """The last line that a client's user prints, as JSON; fails with what was printed where it ends otherwise."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AWS_"))}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**mine, **told},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return json.loads(done.stdout.splitlines()[-1])
