"""P6: what a cold start costs, its imports and the clients of its first event, over a bare boto3 DynamoDB client.

post_events at most 1.6 times; score_transactions, with all that it needs to serve a model, at most 2.2 times.
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
HEAVY = ("numpy", "pandas", "sklearn", "pyarrow", "onnxruntime")
_BARE = "import boto3; boto3.client('dynamodb')"
# Every client that a copy needs to accept its first event: DynamoDB's, and KMS's for the tenant's key.
_OURS = (
    "from functions.post_events.handler import handler; handler.started; "
    "from millrace.core.aws import client; client('kms')"
)
# Every client and package that a copy needs to decide on its first batch with a model: numpy and onnxruntime come with it.
_FRAUD = (
    "from functions.score_transactions.handler import handler; handler.started; "
    "import millrace.scoring.session"
)
_NAMES = f"import sys; {_OURS}; print(*[name for name in {HEAVY!r} if name in sys.modules])"


def measure() -> list[Figure]:
    """Cold start over cold start, and the heavy packages that intake loads."""
    intake, fraud = _ratio(_OURS), _ratio(_FRAUD)
    heavy = subprocess.run(
        [sys.executable, "-c", _NAMES],
        env=_environ(),
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    return [
        Figure("P6", "cold import and clients of post_events / bare DynamoDB client", intake, 1.6),
        Figure(
            "P6", "cold import and clients of score_transactions with ONNX / bare DynamoDB client", fraud, 2.2
        ),
        Figure("P6", f"of {', '.join(HEAVY)} loaded by intake", len(heavy), 0),
    ]


def _ratio(program: str) -> float:
    """Cold start of a function over that of the bare client."""
    for each in (_BARE, program):
        _run(each)
    ratios = []
    for number in range(ROUNDS):
        programs = (_BARE, program) if number % 2 else (program, _BARE)
        spent = {each: _run(each) for each in programs}
        ratios.append(spent[program] / spent[_BARE])
    return median(ratios)


def _environ() -> dict[str, str]:
    path = [str(ROOT), str(ROOT / "layers" / "millrace" / "python")]
    more = {
        "FEATURE_STORE_TABLE": "FeatureStore",
        "MODELS_TABLE": "MLModels",
        # Lambda sets it, for both sides.
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
    }
    return {**os.environ, **edge.ENVIRON, **more, "PYTHONPATH": os.pathsep.join(path)}


def _run(program: str) -> float:
    """CPU seconds of a new interpreter that runs a program."""
    command = [sys.executable, "-c", program]
    child = subprocess.Popen(command, env=_environ(), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{program}: ended with {child.returncode}")
    return used.ru_utime + used.ru_stime
