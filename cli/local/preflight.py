"""What `up` looks at before it installs or stops anything. Standard library only: `bootstrap.py` runs it first of all."""

import os
import shutil
import subprocess
from pathlib import Path

from cli.errors import RefusedError
from cli.local import process
from cli.places import Places

# What the platform calls by name.
PROGRAMS = ("git", "make")
# Of a platform that is not there yet; docs/local.md has what it then takes.
FIRST_DISK_BYTES = 25 * 10**8
# Of one that is installed: a deployment and some thousand events.
LATER_DISK_BYTES = 10**9
MEMORY_BYTES = 15 * 10**8


def check(places: Places, wanted_port: int) -> None:
    """Refuses what would fail later, while nothing has been changed.

    Raises:
        RefusedError: a program is missing, the checkout is not this user's, the port is another program's, or there is too
            little room on the disk or in memory.
    """
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise RefusedError(
            f"{' and '.join(missing)} cannot be found here; install it, then run make up again"
        )
    for folder in (places.root, places.local):
        if folder.exists() and not os.access(folder, os.W_OK):
            raise RefusedError(f"this user may not write to {folder}; run make up as its owner, or in a copy")
    running = process.running(places)
    if (running is None or running.port != wanted_port) and process.taken(wanted_port):
        still = f"; this platform keeps running on port {running.port}" if running else ""
        raise RefusedError(
            f"port {wanted_port} on {process.HOST} is in use by {listener(wanted_port)}{still}. "
            f"Stop that program, or choose another port: MILLRACE_PORT={free_port(wanted_port)} make up"
        )
    _check_room(places, is_running=running is not None)


def _check_room(places: Places, *, is_running: bool) -> None:
    installed = places.emulator_environment.exists() and places.cdk.exists()
    needed = LATER_DISK_BYTES if installed else FIRST_DISK_BYTES
    free = shutil.disk_usage(places.root).free
    if free < needed:
        raise RefusedError(
            f"{free / 1e9:.1f} GB are free on the disk of {places.root}, and {needed / 1e9:.1f} GB are needed. "
            "Make room, then run make up again; nothing was changed"
        )
    memory = available_memory()
    if not is_running and memory is not None and memory < MEMORY_BYTES:
        raise RefusedError(
            f"{memory / 1e9:.1f} GB of memory are available, and {MEMORY_BYTES / 1e9:.1f} GB are needed. "
            "Close other programs, then run make up again; nothing was changed"
        )


def free_port(after: int) -> int:
    """The next port that nobody listens on."""
    return next((port for port in range(after + 1, after + 100) if not process.taken(port)), after + 1)


def listener(port: int) -> str:
    """Who listens on a port, as far as this user may know."""
    program = shutil.which("lsof")
    if program is None:
        return "another program"
    command = [program, "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout
    except subprocess.TimeoutExpired:
        return "another program"
    fields = {line[:1]: line[1:] for line in listed.splitlines()}
    return f"{fields['c']} (process {fields['p']})" if {"c", "p"} <= fields.keys() else "another program"


def available_memory() -> int | None:
    """Bytes that programs can still take; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        kilobytes = dict(line.split(":", 1) for line in lines)["MemAvailable"]
    except (OSError, KeyError, ValueError):
        return None
    return int(kilobytes.split()[0]) * 1024
