"""Paths in a checkout: everything that `make up` creates is below `.local/` and `.venv/`."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 4566


@dataclass(frozen=True, slots=True)
class Places:
    """The paths of one checkout."""

    root: Path

    @property
    def tools(self) -> Path:
        """Installed once per checkout: the emulator's environment, the CDK."""
        return self.root / ".local"

    @property
    def local(self) -> Path:
        """Files of one running platform: `.local/`, or MILLRACE_LOCAL for a second platform."""
        chosen = os.environ.get("MILLRACE_LOCAL")
        return Path(chosen).resolve() if chosen else self.tools

    @property
    def outputs(self) -> Path:
        return self.local / "outputs.json"

    @property
    def keys(self) -> Path:
        return self.local / "keys.json"

    @property
    def sample_keys(self) -> Path:
        """The key of the sample events' tenant."""
        return self.local / "sample-keys.json"

    @property
    def log(self) -> Path:
        return self.local / "log"

    @property
    def emulator_log(self) -> Path:
        return self.log / "ministack.log"

    @property
    def running(self) -> Path:
        """The pid file: JSON with `pid` and `port`."""
        return self.local / "ministack.pid"

    @property
    def port(self) -> Path:
        """The port that the platform was last started on."""
        return self.local / "port"

    @property
    def state(self) -> Path:
        return self.local / "state"

    @property
    def objects(self) -> Path:
        return self.local / "s3"

    @property
    def scratch(self) -> Path:
        """The emulator's temporary files, among them a copy of a function's layers for each of its workers."""
        return self.local / "tmp"

    @property
    def deployed(self) -> Path:
        """The last deployment: the fingerprint of its sources, and its stacks."""
        return self.local / "deployed.json"

    @property
    def emulator_environment(self) -> Path:
        return self.tools / "ministack-venv"

    @property
    def cdk(self) -> Path:
        return self.tools / "cdk"

    @property
    def assembly(self) -> Path:
        return self.local / "cdk.out"

    @property
    def bin(self) -> Path:
        return self.root / ".venv" / "bin"


def checkout() -> Places:
    """The checkout that this command belongs to."""
    return Places(Path(__file__).resolve().parent.parent)


def around(start: Path | None = None) -> Places | None:
    """The nearest folder upward, from the current one on, that has a `.local/outputs.json`."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if Places(folder).outputs.is_file():
            return Places(folder)
    return None


def being_changed(start: Path | None = None) -> bool:
    """Whether `make up` or `make down` is at work in this checkout: they hold its lock."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        lock = Places(folder).local / "lock"
        if lock.is_file():
            with lock.open() as held:
                try:
                    fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
                return False
    return False


def port(places: Places) -> int:
    """The port of the local platform: `MILLRACE_PORT`, or the one it was last started on, or 4566.

    Raises:
        ValueError: the variable holds no port.
    """
    try:
        last = int(places.port.read_text())
    except (OSError, ValueError):
        last = DEFAULT_PORT
    return port_of("MILLRACE_PORT", last)


def port_of(variable: str, default: int) -> int:
    """The port that an environment variable names, or else the default.

    Raises:
        ValueError: it holds no port.
    """
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 1024 <= number <= 65535:
        raise ValueError(f"{variable} is {text!r}; it must be a port between 1024 and 65535")
    return number
