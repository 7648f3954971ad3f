"""SageMaker's training job on this machine: the same channel, the same job in a process of its own, the same archive."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from millrace.core.archive import pack
from millrace.core.errors import RetryableError
from millrace.core.objects import Objects
from millrace.training import locations
from millrace.training.channel import REQUEST_FILE, ROWS_FILE
from millrace.training.errors import TrainingError

ARCHIVE = "output/model.tar.gz"
JOB = (sys.executable, "-m", "millrace.training.job")
# The variables that the job's process keeps of this one's. It gets no credentials: it reads one folder and writes another.
_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPYCACHEPREFIX")


@dataclass(frozen=True, slots=True)
class JobResult:
    """`model.tar.gz`, and the lines that the job logged."""

    archive: bytes
    log: tuple[str, ...]


class LocalTraining:
    """Trains on a channel in the lake and puts the archive where SageMaker would."""

    def __init__(self, lake: Objects, job: Callable[[Mapping[str, bytes]], JobResult]) -> None:
        """`job` takes a channel's files by their names."""
        self._lake, self._job = lake, job

    def train(self, run: str, org: str) -> tuple[str, tuple[str, ...]]:
        """Runs the job; run a second time it writes the same archive.

        Returns:
            The archive's URL, as SageMaker would have named it, and the lines that the job logged.

        Raises:
            TrainingError: there is no model; the message gives the reason.
            MillraceError: the lake did not answer, or the job was killed.
        """
        start = locations.train(org, run)
        names = (REQUEST_FILE, ROWS_FILE)
        result = self._job({name: self._lake.get(f"{start}{name}") for name in names})
        key = f"{locations.folder(org, run)}{ARCHIVE}"
        self._lake.put(key, result.archive)
        return locations.url(self._lake.bucket, key), result.log


def run_job(
    files: Mapping[str, bytes],
    *,
    seconds: float,
    jobs: int,
    libraries: Sequence[str] = (),
    command: Sequence[str] = JOB,
) -> JobResult:
    """Runs the job on a channel, in folders as SageMaker's container has them.

    Args:
        files: of the channel, by their names.
        seconds: how long it may take.
        jobs: processor cores.
        libraries: folders that the job imports from, before those of this process.
        command: what is run.

    Raises:
        TrainingError: there is no model, or not in that time; the message is the job's own.
        RetryableError: a signal killed it.
    """
    with TemporaryDirectory() as temporary:
        root = Path(temporary)
        channel, model, output = (root / name for name in ("input/data/train", "model", "output"))
        for folder in (channel, model, output):
            folder.mkdir(parents=True)
        for name, content in files.items():
            (channel / name).write_bytes(content)
        environ = {name: os.environ[name] for name in _PASSED if name in os.environ}
        environ |= {
            "PYTHONPATH": os.pathsep.join(part for part in (*libraries, *sys.path) if part),
            "SM_CHANNEL_TRAIN": str(channel),
            "SM_MODEL_DIR": str(model),
            "SM_OUTPUT_DIR": str(output),
        }
        try:
            process = subprocess.run(
                [*command, "--jobs", str(jobs)],
                env=environ,
                cwd=root,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TrainingError(f"training took more than {seconds:g} seconds and was ended") from None
        log = tuple(line for line in process.stderr.splitlines() if line.strip())
        if process.returncode < 0:
            raise RetryableError(f"training was killed by {signal.Signals(-process.returncode).name}")
        if process.returncode:
            raise TrainingError(_reason(output, log, process.returncode))
        models = {
            path.relative_to(model).as_posix(): path.read_bytes()
            for path in model.rglob("*")
            if path.is_file()
        }
        return JobResult(pack(models), log)


def _reason(output: Path, log: Sequence[str], code: int) -> str:
    failure = output / "failure"
    if failure.is_file():
        return failure.read_text()
    return log[-1] if log else f"training ended with {code} and gave no reason"
