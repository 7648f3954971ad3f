"""What is registered on the running platform and not in MLflow is logged there."""

import subprocess
from pathlib import Path

import orjson

from cli.errors import CommandError
from cli.learning.models import MODEL
from cli.places import checkout
from cli.target import LOCAL_REGION, Target, find_target

LOG = Path(__file__).with_name("log_versions.py")
SECONDS = 600


def sync(python: Path, url: str) -> str:
    """Logs every registered version that MLflow lacks.

    Args:
        python: of MLflow's environment.
        url: the server's.

    Returns:
        A sentence that says what was done, or why nothing was.
    """
    try:
        target = find_target(None)
        given = _places(target, url)
    except CommandError as error:
        return f"Nothing is logged: {error}"
    try:
        done = subprocess.run(
            [str(python), str(LOG)],
            input=orjson.dumps(given),
            env={"PYTHONPATH": str(checkout().root / "layers/millrace/python"), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"Not everything is logged: it took longer than {SECONDS} s."
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        return f"Not everything is logged: {lines[-1]}"
    said = orjson.loads(done.stdout.splitlines()[-1])
    more = f"; {said['failed'][0]}" if said["failed"] else ""
    return f"{said['logged']} registered models are logged{more}"


def _places(target: Target, url: str) -> dict[str, object]:
    return {
        "uri": url,
        "environment": target.env,
        "endpoint": target.endpoint,
        "region": LOCAL_REGION,
        "table": target.output("MLModelsTable"),
        "bucket": target.output("LakeBucket"),
        "orgs": sorted(target.keys),
        "model": MODEL,
    }
