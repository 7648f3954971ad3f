"""MiniStack: its own virtual environment, its start, its health and its clean stop."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson
import urllib3

from cli import bootstrap
from cli.local.programs import without_aws
from cli.local.steps import StepError
from cli.places import Places

HOST = "127.0.0.1"
# MiniStack's Lambda workers run on this environment's interpreter and take boto3 from it; Athena needs duckdb.
REQUIREMENTS = ("ministack==1.5.33", "boto3==1.43.106", "duckdb==1.5.5", "cryptography==50.0.2")
SERVE = Path(__file__).with_name("serve_emulator.py")
START_SECONDS = 60.0
# Writing the state of a platform that was used takes ten seconds and more, and what is killed before is lost.
STOP_SECONDS = 60.0
DRAIN_SECONDS = 5.0
# Listeners that nobody here needs, and that would bind every interface.
SWITCHED_OFF = {"IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0"}


@dataclass(frozen=True, slots=True)
class Running:
    """A started emulator."""

    pid: int
    port: int


def endpoint(port: int) -> str:
    """Where the AWS APIs answer."""
    return f"http://{HOST}:{port}"


def install(places: Places) -> None:
    """Makes the emulator's virtual environment.

    Raises:
        StepError: pip could not.
    """
    try:
        bootstrap.ensure(
            places.emulator_environment,
            REQUIREMENTS,
            bootstrap.fingerprint(REQUIREMENTS),
            stamp=".installed",
            what="the local AWS",
        )
    except bootstrap.SetupError as error:
        raise StepError(
            f"the local AWS could not be installed: {error}", way_out="Run make up again."
        ) from error


def running(places: Places) -> Running | None:
    """The emulator of this checkout, if the process of its pid file lives and is one."""
    try:
        said = orjson.loads(places.running.read_bytes())
        found = Running(int(said["pid"]), int(said["port"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if _is_emulator(found.pid) else None


def _is_emulator(pid: int) -> bool:
    """Whether a process is a MiniStack: a pid is given away again, and its next owner must not be stopped."""
    try:
        os.kill(pid, 0)
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except ProcessLookupError:
        return False
    except PermissionError:
        return False
    except OSError:
        said = subprocess.run(["ps", "-p", str(pid), "-o", "command="], capture_output=True, check=False)
        command = said.stdout
    return b"ministack" in command


def start(places: Places, port: int) -> Running:
    """Starts the emulator so that it outlives this command, and waits until it is healthy.

    Raises:
        StepError: the port is taken, or the emulator did not come up.
    """
    if _taken(port):
        raise StepError(
            f"port {port} on {HOST} is in use by another program",
            way_out=f"Stop that program, or choose another port: MILLRACE_PORT={port + 1} make up",
        )
    for mend in MENDS:
        mend(places)
    # What workers that were killed left behind.
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
    }
    # A virtual environment or a PYTHONPATH of ours must not reach the workers that run the functions; and what one of
    # them compiles of a layer is there for the others.
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE"):
        environment.pop(name, None)
    with places.emulator_log.open("wb") as log:
        process = subprocess.Popen(
            [str(places.emulator_environment / "bin" / "python"), str(SERVE)],
            cwd=places.local,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    places.running.write_bytes(orjson.dumps({"pid": process.pid, "port": port}))
    try:
        _await_health(places, process, port)
    except BaseException:
        process.kill()
        process.wait()
        places.running.unlink(missing_ok=True)
        raise
    return Running(process.pid, port)


def _drop_orphaned_objects(places: Places) -> None:
    """Removes the objects of a platform that ended before its first clean stop.

    Objects are on disk at once, everything else is written by a clean stop only. Buckets that no stack remembers
    would be in the way of the next deploy.
    """
    if not (places.state / "cloudformation.json").exists():
        shutil.rmtree(places.objects, ignore_errors=True)


def _rewind_table_streams(places: Places) -> None:
    """Lets the consumers of a table's stream begin anew, as its records do.

    The emulator keeps over a restart how far each consumer has read, but not the records of table streams: their
    count begins at zero again, and a consumer would wait until it has passed its old place. Kinesis keeps both.
    """
    file = places.state / "lambda.json"
    try:
        state = orjson.loads(file.read_bytes())
        state["payload"]["dynamodb_stream_positions"]["data"] = {}
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        # Nothing was kept, or this version keeps it otherwise.
        return
    fresh = file.with_suffix(".fresh")
    fresh.write_bytes(orjson.dumps(state))
    fresh.replace(file)


# What a start mends of what the last end left behind.
MENDS = (_drop_orphaned_objects, _rewind_table_streams)


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def _await_health(places: Places, process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise StepError(
                f"the local AWS ended at once (exit {process.returncode})",
                log=places.emulator_log,
                way_out="If its state is damaged, start afresh: make reset, then make up.",
            )
        if healthy(port):
            return
        time.sleep(0.1)
    raise StepError(
        f"the local AWS was not healthy within {START_SECONDS:.0f} s",
        log=places.emulator_log,
        way_out="Try make up once more; if it stays so: make reset, then make up.",
    )


def healthy(port: int) -> bool:
    """Whether the emulator says it is well."""
    try:
        answer = urllib3.request("GET", f"{endpoint(port)}/_ministack/health", timeout=2.0, retries=False)
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == 200


def drain(port: int, seconds: float = DRAIN_SECONDS) -> int:
    """Waits until the consumers of tables' streams have read everything: a stop forgets what they have not.

    Returns:
        How many records are left after that time; 0 as well when the emulator does not say.
    """
    _until(lambda: not _unread(port), seconds)
    return _unread(port)


def _unread(port: int) -> int:
    try:
        answer = urllib3.request("GET", f"{endpoint(port)}/_millrace/unread", timeout=2.0, retries=False)
        return int(answer.json()["unread"]) if answer.status == 200 else 0
    except (urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError):
        return 0


def stop(places: Places, found: Running, *, seconds: float = STOP_SECONDS) -> bool:
    """Stops the emulator; only a clean stop writes its state.

    Returns:
        False when it did not end by itself in time and was killed: what it held since its start is lost then.
    """
    os.kill(found.pid, signal.SIGTERM)
    clean = _until(lambda: not _is_emulator(found.pid), seconds)
    if not clean:
        os.kill(found.pid, signal.SIGKILL)
        _until(lambda: not _is_emulator(found.pid), 5)
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
    """Removes what the emulator kept, and what was known of it."""
    for folder in (places.state, places.objects):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (places.outputs, places.keys, places.deployed):
        file.unlink(missing_ok=True)
