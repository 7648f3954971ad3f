"""Runs programs of the local platform: bounded in time, logged, and stopped with their child processes."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cli.local.steps import StepError

STOP_SECONDS = 10


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    seconds: float,
    what: str,
    way_out: str,
) -> None:
    """Runs a program to its end.

    Args:
        command: program and arguments.
        cwd: where it runs.
        env: its whole environment.
        log: receives its output.
        seconds: how long it may take.
        what: its name in errors.
        way_out: what to do about a failure.

    Raises:
        StepError: it failed, or took too long.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        # A process group of its own, so that a stop also reaches its child processes.
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            stop_group(process)
            raise StepError(f"{what} took longer than {seconds:.0f} s", log=log, way_out=way_out) from error
        except BaseException:
            stop_group(process)
            raise
    if code:
        raise StepError(f"{what} failed (exit {code})", log=log, way_out=way_out)


def stop_group(process: subprocess.Popen[bytes]) -> None:
    """Terminates a process group that we started; kills it if it does not end."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=STOP_SECONDS)
            return


def without_aws(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment in which nothing names an AWS account, so that the local deploy can only reach the emulator."""
    return {name: value for name, value in environ.items() if not name.startswith(("AWS_", "CDK_"))}


def local_aws(endpoint: str) -> dict[str, str]:
    """The variables that point the AWS SDKs and the CDK at the emulator."""
    nowhere = os.devnull
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
