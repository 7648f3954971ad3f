"""A function in a process of its own that halts in the middle of its work, and is killed there.

python -m tests.support.pipelinefaults.workers commit_table '{"runId": …, "table": …}' table_updated
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient

from millrace.lake.raw_to_silver import SilverTransform
from tests.support.functions import function

ROOT = Path(__file__).parents[3]
HERE = "halted"
LONGEST_SECONDS = 120
# Where it halts: behind the first file of many; with all files of a commit written; with the commit in Glue.
FILE_WRITTEN, MANIFESTS_WRITTEN, TABLE_UPDATED = "file_written", "manifests_written", "table_updated"


def kill(environ: Mapping[str, str], stem: str, payload: Any, where: str) -> None:
    """Starts the function, waits until it is there, and sends it SIGKILL.

    Raises:
        AssertionError: it did not come to that place.
    """
    command = [sys.executable, "-m", __name__, stem, json.dumps(payload), where]
    paths = os.pathsep.join((str(ROOT), str(ROOT / "layers" / "millrace" / "python")))
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        late = threading.Timer(LONGEST_SECONDS, process.kill)
        late.start()
        try:
            assert process.stdout is not None
            assert HERE in (line.strip() for line in process.stdout), f"{stem} did not come to {where}"
        finally:
            late.cancel()
            process.send_signal(signal.SIGKILL)
        assert process.wait(LONGEST_SECONDS) == -signal.SIGKILL


def _halt() -> None:
    sys.stdout.write(f"{HERE}\n")
    sys.stdout.flush()
    time.sleep(LONGEST_SECONDS)


def main(stem: str, payload: str, where: str) -> None:
    """Runs the function's handler, which comes to an end only if it never passes that place."""
    copy, call = SilverTransform._copy, BaseClient._make_api_call

    def copied(mine: Any, *given: Any) -> Any:
        done = copy(mine, *given)
        if where == FILE_WRITTEN:
            _halt()
        return done

    def called(client: Any, operation: str, params: Any) -> Any:
        if where == MANIFESTS_WRITTEN and operation == "UpdateTable":
            _halt()
        answer = call(client, operation, params)
        if where == TABLE_UPDATED and operation == "UpdateTable":
            _halt()
        return answer

    with (
        patch.object(SilverTransform, "_copy", copied),
        patch.object(BaseClient, "_make_api_call", called),
        function(stem) as handler,
    ):
        handler(json.loads(payload), None)


if __name__ == "__main__":
    main(*sys.argv[1:])
