"""`make mlflow`: the real MLflow server, bound to 127.0.0.1, until Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import urllib3

from cli import bootstrap
from cli.errors import CommandError, UsageError
from cli.failures import exit_code
from cli.local.programs import stop_group
from cli.mlflow.sync import sync
from cli.output import err, out
from cli.places import Places, checkout, port_of

HOST = "127.0.0.1"
DEFAULT_PORT = 5500
# The client in the functions, layers/mlflow, has the same version. The other packages are those that the platform's code needs.
REQUIREMENTS = ("mlflow==3.17.2", "boto3==1.43.106", "orjson==3.13.0")
START_SECONDS = 120.0


def serve(places: Places, port: int) -> int:
    """Installs MLflow, starts the server, logs missing versions, and waits until it is stopped.

    Returns:
        The server's exit code; 0 if it was stopped.

    Raises:
        CommandError: it could not be installed, the port is in use, or it did not start.
    """
    environment = places.tools / "mlflow-venv"
    try:
        bootstrap.ensure(environment, REQUIREMENTS, stamp=".installed", what="MLflow", lock="mlflow.txt")
    except bootstrap.SetupError as error:
        raise CommandError(f"MLflow could not be installed: {error}") from error
    if _taken(port):
        raise CommandError(
            f"port {port} on {HOST} is in use; stop what uses it, or: MLFLOW_PORT={port + 1} make mlflow"
        )
    folder, url = places.local / "mlflow", f"http://{HOST}:{port}"
    (folder / "artifacts").mkdir(parents=True, exist_ok=True)
    log = places.log / "mlflow.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as written:
        process = subprocess.Popen(
            command(environment / "bin" / "python", folder, port),
            cwd=folder,
            env=_environ(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            # Ctrl-C reaches this process alone, which stops the server and its workers.
            start_new_session=True,
        )
        try:
            with err.status(f"starting MLflow on port {port} …"):
                _await(process, url, log)
            out.print(f"MLflow  {url}", markup=False)
            with err.status("logging missing versions …"):
                summary = sync(environment / "bin" / "python", url)
            out.print(summary, markup=False)
            out.print(f"Ctrl-C stops it; its data stays in {os.path.relpath(folder)}.", markup=False)
            return process.wait()
        except KeyboardInterrupt:
            out.print("stopped", markup=False)
            return 0
        finally:
            stop_group(process)


def command(python: Path, folder: Path, port: int) -> Sequence[str]:
    """The server's command line: SQLite and artifacts below one folder, one worker, reachable from this machine only."""
    return (
        *(str(python), "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
        *("--artifacts-destination", str(folder / "artifacts")),
    )


def port() -> int:
    """The server's port: `MLFLOW_PORT`, or 5500.

    Raises:
        UsageError: the variable holds no port.
    """
    try:
        return port_of("MLFLOW_PORT", DEFAULT_PORT)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without variables that would redirect the server, and without its usage reports."""
    dropped = ("MLFLOW_", "PYTHON", "VIRTUAL_ENV")
    kept = {name: value for name, value in environ.items() if not name.startswith(dropped)}
    return {**kept, "MLFLOW_DISABLE_TELEMETRY": "true"}


def _taken(number: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, number))
        except OSError:
            return True
    return False


def _await(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            if urllib3.request("GET", f"{url}/health", timeout=1, retries=False).status == 200:
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(0.2)
    raise CommandError(f"MLflow did not start; its log: {log}")


if __name__ == "__main__":
    # `make` and init systems stop it with SIGTERM.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(exit_code(lambda: serve(checkout(), port())))
