"""Compiles what Lambda runs: `/opt` cannot be written to, so without this every cold start compiles the sources anew."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

LAMBDA_PYTHON = "3.13"
# Where Lambda unpacks the folder `python` of a layer; tracebacks name the files there.
UNPACKED = "/opt/python"
SECONDS = 300


@cache
def interpreter() -> str | None:
    """The path of Lambda's version of Python on this machine; None where it is not on the path."""
    found = shutil.which(f"python{LAMBDA_PYTHON}")
    if found is None:
        return None
    # A shim of a version manager answers only for a version that is switched on.
    asked = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=SECONDS, check=False)
    return found if asked.stdout.startswith(f"Python {LAMBDA_PYTHON}.") else None


def compile_folder(folder: Path) -> bool:
    """Compiles the modules of a layer's `python` where Lambda's version of Python is there; what does not parse stays as it is.

    The bytecode holds no times and is not compared with its source, so that the same sources make the same layer.

    Returns:
        Whether it did.
    """
    python = interpreter()
    if python is None:
        return False
    command = [python, "-m", "compileall", "-q", "-q", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder), "-p", UNPACKED, str(folder)]
    subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    return True


def notice() -> str:
    """A sentence on cold starts where nothing is compiled; empty where it is."""
    if interpreter() is not None:
        return ""
    return (
        f"not compiled: python{LAMBDA_PYTHON} is not on the path, so every cold start compiles what it imports; "
        "install it and run this again"
    )


def state() -> str:
    """What a layer's hash holds of this: it is another one when it is compiled."""
    return f"compiled for {LAMBDA_PYTHON}" if interpreter() else "sources"
