"""PyFlink in an environment of its own below `.local`, where the bench alone uses it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench import tree
from bench.tree import Spent

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parent / ".local" / "bench-flink"
# What it needs for SQL, installed without what only functions in Python need (Beam, pemja), which cannot be built everywhere.
REQUIREMENTS = (
    "apache-flink==2.1.3",
    "apache-flink-libraries==2.1.3",
    "py4j==0.10.9.7",
    "cloudpickle==3.1.2",
    "grpcio==1.80.0",
    "numpy==2.3.5",
    "pandas==2.2.3",
    "protobuf==6.33.6",
    "pyarrow==20.0.0",
    "python-dateutil==2.9.0.post0",
    "pytz==2025.2",
    "ruamel.yaml==0.19.1",
    "six==1.17.0",
    "typing_extensions==4.15.0",
    "tzdata==2025.3",
)
# Of those tried what serves Flink best in a job of this length, in CPU time as well as in memory.
JAVA = "-Xmx1g -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
MINUTES = 30


class NoFlinkError(Exception):
    """There is none to compare with here; the sentence says why."""


def windows(events: Path, out: Path) -> Spent:
    """Makes the windows of a day with Flink.

    Raises:
        NoFlinkError: it cannot be installed or run here.
    """
    command = [str(_python()), str(HERE / "flink_windows.py"), str(events), str(out)]
    # In this mode it starts no workers for functions in Python, of which there are none.
    more = {"_python_worker_execution_mode": "process", "FLINK_ENV_JAVA_OPTS": JAVA}
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        return tree.run(command, {**environ, **more}, 60 * MINUTES)
    except tree.FailedError as error:
        raise NoFlinkError(f"Flink did not run: {error}") from error


def _python() -> Path:
    if shutil.which("java") is None:
        raise NoFlinkError("there is no Java (17 or 21)")
    python, stamp = ENVIRONMENT / "bin" / "python", ENVIRONMENT / "installed"
    if not stamp.exists() or stamp.read_text().split() != list(REQUIREMENTS):
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True, timeout=300)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "setuptools==80.9.0"]
        for more in ([], ["--no-build-isolation", *REQUIREMENTS]):
            done = subprocess.run(
                [*pip, *more], check=False, timeout=60 * MINUTES, capture_output=True, text=True
            )
            if done.returncode != 0:
                raise NoFlinkError(f"pip could not install it: {done.stderr.strip().splitlines()[-1:]}")
        stamp.write_text("\n".join(REQUIREMENTS))
    return python
