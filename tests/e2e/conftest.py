"""A whole platform of its own for the session: an emulator on a free port, the real `cdk deploy`, fresh stores."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import Client

ROOT = Path(__file__).parents[2]
UP_SECONDS = 600


def command(
    *arguments: str, environ: dict[str, str], seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """Runs `millrace` as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@pytest.fixture(scope="session")
def environ() -> Iterator[dict[str, str]]:
    """The environment of the commands: a port of its own and a folder of its own."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    folder = ROOT / ".local" / f"e2e-{port}"
    given = {**os.environ, "MILLRACE_PORT": str(port), "MILLRACE_LOCAL": str(folder)}
    # A hundred commands are run, and none of them shall compile what one before it has compiled.
    given.pop("PYTHONDONTWRITEBYTECODE", None)
    yield given
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def deployed(environ: dict[str, str]) -> Iterator[dict[str, Any]]:
    """What `millrace up --json` says; the platform stops with the session."""
    try:
        done = command("up", "--no-events", "--json", environ=environ, seconds=UP_SECONDS)
        if done.returncode:
            log = Path(environ["MILLRACE_LOCAL"]) / "log"
            logs = "\n".join(
                f"--- {path.name}\n{path.read_text()[-4000:]}" for path in sorted(log.glob("*.log"))
            )
            pytest.fail(f"millrace up: {done.stdout}\n{done.stderr}\n{logs}")
        yield json.loads(done.stdout.splitlines()[-1])
    finally:
        command("down", "--reset", environ=environ)


@pytest.fixture(scope="session")
def client(deployed: dict[str, Any], environ: dict[str, str]) -> Client:
    """Both tenants' way in, with the stores behind it."""
    folder = Path(environ["MILLRACE_LOCAL"])
    outputs = json.loads((folder / "outputs.json").read_text())
    keys = json.loads((folder / "keys.json").read_text())
    return Client(outputs, keys, f"http://127.0.0.1:{environ['MILLRACE_PORT']}")
