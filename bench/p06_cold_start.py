"""P6: a cold post_events, its imports and the clients of its first event, costs at most 1.6 times a bare boto3 DynamoDB client.

Each side is a new process that reads compiled modules from the disk's cache; measured is the CPU time of the child.
"""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from bench import edge
from bench.figure import ROUNDS, Figure

ROOT = Path(__file__).parents[1]
HEAVY = ("numpy", "pandas", "sklearn", "pyarrow")
_BARE = "import boto3; boto3.client('dynamodb')"
# Every client that a copy needs to accept its first event: DynamoDB's, and KMS's for the tenant's key.
_OURS = (
    "import handler; handler._log(); handler._limiter(); handler._intake(); "
    "from millrace.core.aws import client; client('kms')"
)
_NAMES = f"import sys; {_OURS}; print(*[name for name in {HEAVY!r} if name in sys.modules])"


def measure() -> list[Figure]:
    """Cold start over cold start, and the heavy packages that intake loads."""
    for program in (_BARE, _OURS):
        _run(program)
    found = []
    for number in range(ROUNDS):
        programs = (_BARE, _OURS) if number % 2 else (_OURS, _BARE)
        spent = {program: _run(program) for program in programs}
        found.append(spent[_OURS] / spent[_BARE])
    heavy = subprocess.run(
        [sys.executable, "-c", _NAMES], env=_environ(), check=True, capture_output=True, text=True
    ).stdout.split()
    return [
        Figure("P6", "cold import and clients of post_events / bare DynamoDB client", median(found), 1.6),
        Figure("P6", f"of {', '.join(HEAVY)} loaded by intake", len(heavy), 0),
    ]


def _environ() -> dict[str, str]:
    path = [str(ROOT / "functions" / "post_events"), str(ROOT / "layers" / "millrace" / "python")]
    return {**os.environ, **edge.ENVIRON, "PYTHONPATH": os.pathsep.join(path)}


def _run(program: str) -> float:
    """CPU seconds of a new interpreter that runs a program."""
    child = subprocess.Popen([sys.executable, "-c", program], env=_environ(), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{program}: ended with {child.returncode}")
    return used.ru_utime + used.ru_stime
