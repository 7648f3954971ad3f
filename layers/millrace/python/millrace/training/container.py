"""SageMaker's training container on this machine: the job in a process of its own, its folders, its time. No AWS."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from millrace.core.archive import pack
from millrace.core.errors import RetryableError
from millrace.training.errors import TrainingError

JOB = (sys.executable, "-m", "millrace.training.job")
# What a process needs of this one's environment. Of credentials the job gets none: it reads one folder and writes another.
_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPYCACHEPREFIX")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job left: `model.tar.gz`, and what it said on the way."""

    archive: bytes
    log: tuple[str, ...]


def run(
    files: Mapping[str, bytes],
    *,
    seconds: float,
    jobs: int,
    libraries: Sequence[str] = (),
    command: Sequence[str] = JOB,
) -> Outcome:
    """Runs the job on a channel.

    Args:
        files: of the channel, by their names.
        seconds: how long it may take.
        jobs: processor cores.
        libraries: folders that the job imports from, before those of this process.
        command: what is run.

    Raises:
        TrainingError: there is no model, or not in that time; the message is the job's own.
        RetryableError: something killed it.
    """
    with TemporaryDirectory() as made:
        root = Path(made)
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
            done = subprocess.run(
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
        said = tuple(line for line in done.stderr.splitlines() if line.strip())
        if done.returncode < 0:
            raise RetryableError(f"training was killed by {signal.Signals(-done.returncode).name}")
        if done.returncode:
            raise TrainingError(_reason(output, said, done.returncode))
        left = {
            path.relative_to(model).as_posix(): path.read_bytes()
            for path in model.rglob("*")
            if path.is_file()
        }
        return Outcome(pack(left), said)


def _reason(output: Path, said: Sequence[str], code: int) -> str:
    failure = output / "failure"
    if failure.is_file():
        return failure.read_text()
    return said[-1] if said else f"training ended with {code} and gave no reason"
