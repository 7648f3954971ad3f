"""The emulator's process and its port. Standard library only: the checks before an installation look here."""

import json
import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cli.places import Places

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Running:
    """A started emulator."""

    pid: int
    port: int


def running(places: Places) -> Running | None:
    """The emulator of this checkout, if the process of its pid file lives and is one."""
    try:
        pid_file = json.loads(places.running.read_bytes())
        process = Running(int(pid_file["pid"]), int(pid_file["port"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return process if is_emulator(process.pid) else None


def is_emulator(pid: int) -> bool:
    """Whether a process is a MiniStack: a pid may be reused, and another program must not be stopped."""
    try:
        os.kill(pid, 0)
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except ProcessLookupError:
        return False
    except PermissionError:
        return False
    except OSError:
        listed = subprocess.run(["ps", "-p", str(pid), "-o", "command="], capture_output=True, check=False)
        command = listed.stdout
    return b"ministack" in command


def taken(port: int) -> bool:
    """Whether something listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
