"""MiniStack: its own virtual environment, its start, its health and its clean stop."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import urllib3

from cli import bootstrap
from cli.local import journal
from cli.local.process import HOST, Running, is_emulator, taken
from cli.local.programs import without_aws
from cli.local.steps import StepError
from cli.output import counted
from cli.places import Places

# MiniStack's Lambda workers run on this environment's interpreter; Athena needs duckdb.
REQUIREMENTS = ("ministack==1.5.33", "duckdb==1.5.5", "cryptography==50.0.2")
STAMP = ".installed"
SERVE = "cli.local.serve_emulator"
START_SECONDS = 60.0
# Writing the state of a used platform takes ten seconds or more; if killed earlier, the next start reads the journal instead.
STOP_SECONDS = 60.0
# Listeners that are not needed here and would bind every interface.
SWITCHED_OFF = {"IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0"}


def endpoint(port: int) -> str:
    """Where the AWS APIs answer."""
    return f"http://{HOST}:{port}"


def installed(places: Places) -> bool:
    """Whether the emulator's virtual environment is one that `install` would leave as it is."""
    # Another checkout's, as in `bootstrap.ensure`.
    if places.emulator_environment.is_symlink():
        return True
    stamp = places.emulator_environment / STAMP
    return stamp.exists() and stamp.read_text() == bootstrap.state(REQUIREMENTS, bootstrap.LOCK)


def install(places: Places) -> None:
    """Creates the emulator's virtual environment.

    Raises:
        StepError: the installation failed.
    """
    try:
        bootstrap.ensure(
            places.emulator_environment,
            REQUIREMENTS,
            stamp=STAMP,
            what="the local AWS",
            lock=bootstrap.LOCK,
        )
    except bootstrap.SetupError as error:
        raise StepError(
            f"the local AWS could not be installed: {error}", way_out="Run make up again."
        ) from error


def start(places: Places, port: int) -> Running:
    """Starts the emulator so that it outlives this command, and waits until it is healthy.

    Raises:
        StepError: the port is in use, or the emulator did not start.
    """
    if taken(port):
        raise StepError(
            f"port {port} on {HOST} is in use by another program",
            way_out=f"Stop that program, or choose another port: MILLRACE_PORT={port + 1} make up",
        )
    for repair in REPAIRS:
        repair(places)
    # Files of workers that were killed.
    shutil.rmtree(places.scratch, ignore_errors=True)
    for folder in (places.log, places.state, places.objects, places.scratch):
        folder.mkdir(parents=True, exist_ok=True)
    environment = {
        **without_aws(os.environ),
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(places.state),
        **SWITCHED_OFF,
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(places.objects),
        "TMPDIR": str(places.scratch),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    # A virtual environment of ours must not reach the workers that run the functions; and what one of them compiles of a
    # layer is there for the others.
    for name in ("PYTHONHOME", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE"):
        environment.pop(name, None)
    with places.emulator_log.open("wb") as log:
        process = subprocess.Popen(
            [str(places.emulator_environment / "bin" / "python"), "-P", "-m", SERVE],
            cwd=places.local,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        places.running.write_bytes(orjson.dumps({"pid": process.pid, "port": port}))
        places.port.write_text(str(port))
        _await_health(places, process, port)
    except BaseException:
        process.kill()
        process.wait()
        places.running.unlink(missing_ok=True)
        raise
    return Running(process.pid, port)


def _drop_orphaned_objects(places: Places) -> None:
    """Removes what a platform left that ended before its first deployment was complete.

    Objects are written at once, stacks with the first snapshot, which the deployment takes. Buckets without a stack would make
    the next deployment fail.
    """
    if not any(places.state.glob("snapshot-*")) and not (places.state / "cloudformation.json").exists():
        shutil.rmtree(places.objects, ignore_errors=True)
        shutil.rmtree(places.state, ignore_errors=True)


# Repairs of the state that the last stop left behind.
REPAIRS = (_drop_orphaned_objects,)


def _await_health(places: Places, process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise StepError(
                f"the local AWS exited at its start (exit {process.returncode})",
                log=places.emulator_log,
                way_out="If its state is damaged, start afresh: make reset, then make up.",
            )
        if healthy(port):
            return
        time.sleep(0.1)
    raise StepError(
        f"the local AWS was not healthy within {START_SECONDS:.0f} s",
        log=places.emulator_log,
        way_out="Run make up again; if that does not help: make reset, then make up.",
    )


def healthy(port: int) -> bool:
    """Whether the emulator reports that it is healthy."""
    try:
        answer = urllib3.request("GET", f"{endpoint(port)}/_ministack/health", timeout=2.0, retries=False)
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == 200


def recovery(port: int) -> str:
    """What the emulator found at its start, in a sentence; empty after a clean stop."""
    try:
        answer = urllib3.request("GET", f"{endpoint(port)}{journal.PATH}", timeout=2.0, retries=False).json()
    except (urllib3.exceptions.HTTPError, ValueError):
        return ""
    if answer["clean"]:
        return ""
    taken = f"the platform did not stop cleanly; {counted(answer['writes'], 'write')} taken from the journal"
    if not answer["cutOff"]:
        return taken
    return f"{taken}, {counted(answer['cutOff'], 'commit')} behind a damaged line lost: millrace reconcile shows what is missing"


def save(port: int) -> None:
    """Has the emulator write a snapshot of everything.

    Raises:
        StepError: it could not.
    """
    answer = urllib3.request("POST", f"{endpoint(port)}{journal.PATH}", timeout=STOP_SECONDS, retries=False)
    if answer.status != 200:
        raise StepError(
            "the state of the local AWS could not be written",
            way_out="Is the disk full? Make room, then run make up again.",
        )


def stop(places: Places, process: Running, *, seconds: float = STOP_SECONDS) -> bool:
    """Stops the emulator, which writes its state.

    Returns:
        False when it did not end in time and was killed: the next start reads its journal.
    """
    os.kill(process.pid, signal.SIGTERM)
    clean = _until(lambda: not is_emulator(process.pid), seconds)
    if not clean:
        os.kill(process.pid, signal.SIGKILL)
        _until(lambda: not is_emulator(process.pid), 5)
    places.running.unlink(missing_ok=True)
    shutil.rmtree(places.scratch, ignore_errors=True)
    return clean


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def forget(places: Places) -> None:
    """Deletes the emulator's data, and the files that describe the deployment."""
    for folder in (places.state, places.objects, places.assembly):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (places.outputs, places.keys, places.sample_keys, places.deployed):
        file.unlink(missing_ok=True)
