"""Logs in MLflow the versions that are registered on the running platform and missing in MLflow."""

import subprocess
from pathlib import Path

import orjson

from cli.errors import CommandError
from cli.ml.models import MODEL
from cli.output import counted
from cli.places import checkout
from cli.target import LOCAL_REGION, Target, find_target
from millrace.access.tenants import orgs
from millrace.core.errors import MillraceError
from millrace.core.table import Table

LOG = Path(__file__).with_name("log_versions.py")
SECONDS = 600


def sync(python: Path, url: str) -> str:
    """Logs every registered version that MLflow does not have.

    Args:
        python: of MLflow's environment.
        url: the server's.

    Returns:
        A sentence: what was logged, or why nothing was.
    """
    try:
        target = find_target(None)
        options = _options(target, url)
    except (CommandError, MillraceError) as error:
        return f"Nothing is logged: {error}"
    try:
        done = subprocess.run(
            [str(python), str(LOG)],
            input=orjson.dumps(options),
            env={"PYTHONPATH": str(checkout().root / "layers/millrace/python"), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"Not everything is logged: it took longer than {SECONDS} s."
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it printed nothing"]
        return f"Not everything is logged: {lines[-1]}"
    result = orjson.loads(done.stdout.splitlines()[-1])
    more = f"; {result['failed'][0]}" if result["failed"] else ""
    return f"{counted(result['logged'], 'registered model')} logged{more}"


def _options(target: Target, url: str) -> dict[str, object]:
    return {
        "uri": url,
        "environment": target.env,
        "endpoint": target.endpoint,
        "region": LOCAL_REGION,
        "table": target.output("MLModelsTable"),
        "bucket": target.output("LakeBucket"),
        "orgs": sorted(orgs(Table(target.client("dynamodb"), target.output("MetadataTable")))),
        "model": MODEL,
    }
