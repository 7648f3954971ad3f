"""Makes the virtual environments, with nothing but the standard library: the Makefile runs this first of all.

`python3 cli/bootstrap.py run` installs what deploying and running need, `… dev` also what the tests need. A stamp in the
environment holds the hash of its requirements, so that a second run does nothing.
"""

# Run by any `python3` that the machine has, so the first lines must parse on old versions too.
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python is exactly who must read this
    sys.exit(
        "Millrace needs Python 3.11 or newer, and this one is "
        + sys.version.split()[0]
        + " ("
        + sys.executable
        + ").\n"
        "Install one and name it: make up PYTHON=python3.13"
    )

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOGS = ROOT / ".local" / "log"
FILES = {"run": ("requirements.txt",), "dev": ("requirements-dev.txt",)}
HASHED = {
    "run": ("requirements.txt", "pyproject.toml"),
    "dev": ("requirements.txt", "requirements-dev.txt", "pyproject.toml"),
}
# Not in requirements.txt: where uv cannot be installed, pip installs the same requirements.
UV = "uv==0.13.9"
# Settings of pip, from its files or the environment, by the variables that uv reads.
UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "cert": "SSL_CERT_FILE",
}
NETWORK_HINT = "Check the network, then run the same command again to continue."


class SetupError(Exception):
    """The environment could not be created; the message says what to do."""


def fingerprint(parts: Sequence[str]) -> str:
    """A hash of what an environment depends on: the interpreter, the checkout's folder, and the given texts."""
    text = "\0".join((sys.version, sys.prefix, str(ROOT), *parts))
    return hashlib.sha256(text.encode()).hexdigest()


def ensure(folder: Path, arguments: Sequence[str], wanted: str, *, stamp: str, what: str) -> bool:
    """Creates the virtual environment `folder` with the given pip arguments installed.

    Args:
        folder: of the environment.
        arguments: what pip installs.
        wanted: the hash that the stamp holds when the environment is current.
        stamp: the stamp's name inside the folder.
        what: its name in the progress line.

    Returns:
        False when the environment was current already.

    Raises:
        SetupError: the environment or an installation failed.
    """
    with alone(folder):
        return _ensure(folder, arguments, wanted, folder / stamp, what)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Locks `folder`: another process that creates it, such as a second test process, waits until this one has ended."""
    locks = ROOT / ".local"
    locks.mkdir(exist_ok=True)
    with (locks / f"{folder.name.lstrip('.')}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _ensure(folder: Path, arguments: Sequence[str], wanted: str, mark: Path, what: str) -> bool:
    if mark.exists() and mark.read_text() == wanted:
        return False
    started = time.monotonic()
    sys.stderr.write(
        f"Installing {what} into {folder.relative_to(ROOT)} (the first time takes about a minute) … "
    )
    sys.stderr.flush()
    _make(folder)
    mark.unlink(missing_ok=True)
    install(folder / "bin" / "python", arguments)
    mark.write_text(wanted)
    sys.stderr.write(f"{time.monotonic() - started:.0f} s\n")
    return True


def install(python: Path, arguments: Sequence[str]) -> None:
    """Installs packages for an interpreter: with uv, which needs a seventh of pip's processor time, or with pip where uv fails.

    Args:
        python: the interpreter of the environment.
        arguments: what both understand: requirements, `-r FILE`, `-e FOLDER`, `--target FOLDER`, `--only-binary=:all:`.

    Raises:
        SetupError: both failed; the message holds what pip printed.
    """
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    uv = VENV / "bin" / "uv"
    try:
        if not uv.exists():
            _run([*pip, "install", "--quiet", UV], "pip.log", hint=NETWORK_HINT)
        command = [str(uv), "pip", "install", "--quiet", "--python", str(python), *arguments]
        _run(command, "uv.log", hint=NETWORK_HINT, environ=_uv_settings(pip))
    except SetupError:
        # For example an index that only pip may use, or an interrupted installation of uv.
        uv.unlink(missing_ok=True)
        _run([*pip, "--python", str(python), "install", "--quiet", *arguments], "pip.log", hint=NETWORK_HINT)


def _uv_settings(pip: Sequence[str]) -> dict[str, str]:
    shown = subprocess.run(
        [*pip, "config", "list"], env=_clean_environment(), capture_output=True, text=True, check=False
    ).stdout
    settings = re.findall(r"^([^.=]*)\.([a-z-]+)='(.*)'$", shown, flags=re.MULTILINE)
    # As in pip, the environment overrides the files.
    settings.sort(key=lambda one: one[0] == ":env:")
    variables = {UV_NAMES[name]: value for _, name, value in settings if name in UV_NAMES}
    if "UV_FIND_LINKS" in variables:
        variables["UV_FIND_LINKS"] = ",".join(variables["UV_FIND_LINKS"].split())
    # On the same file system as the environments, whose files are links into it: shared packages are stored once.
    return {"UV_CACHE_DIR": str(ROOT / ".local" / "uv"), **variables}


def _make(folder: Path) -> None:
    """Creates the empty environment; one that was moved here, or whose Python is gone, is created anew."""
    made_by = folder / ".made-by"
    now = f"{sys.version}\n{folder}"
    if made_by.exists() and made_by.read_text() == now and (folder / "bin" / "python").exists():
        return
    if folder.exists():
        shutil.rmtree(folder)
    # Only `.venv` needs pip: it installs uv, and replaces it where uv fails.
    without = [] if folder == VENV else ["--without-pip"]
    _run([sys.executable, "-m", "venv", *without, str(folder)], "venv.log", hint=_venv_hint())
    made_by.write_text(now)


def _venv_hint() -> str:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return f"On Debian and Ubuntu the module comes with: apt install python{version}-venv"


def _run(
    command: Sequence[str], log_name: str, *, hint: str, environ: Mapping[str, str] | None = None
) -> None:
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / log_name
    clean = {**_clean_environment(), **(environ or {})}
    with log.open("w") as out:
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=clean, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False
            )
        except OSError as error:
            raise SetupError(f"{command[0]} could not be run: {error}\n{hint}") from error
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise SetupError(f"failed.\n{tail}\n{hint}\nThe full log: {log.relative_to(ROOT)}")


def _clean_environment() -> dict[str, str]:
    """The environment without the caller's PYTHONPATH and active virtual environment."""
    foreign = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET"}
    return {name: value for name, value in os.environ.items() if name not in foreign}


def main(arguments: Sequence[str]) -> int:
    """Makes `.venv` for `run` or `dev`."""
    kind = arguments[0] if arguments else "run"
    if kind not in FILES:
        sys.stderr.write("usage: bootstrap.py run|dev\n")
        return 2
    # `dev` includes all of `run`, so its stamp counts for both.
    wanted = {name: fingerprint([(ROOT / f).read_text() for f in HASHED[name]]) for name in FILES}
    if (
        kind == "run"
        and (VENV / ".installed-dev").exists()
        and (VENV / ".installed-dev").read_text() == wanted["dev"]
    ):
        return 0
    wheels = [argument for file in FILES[kind] for argument in ("-r", file)]
    what = "Millrace's requirements" if kind == "run" else "Millrace's requirements and those of its tests"
    try:
        ensure(VENV, [*wheels, "-e", "."], wanted[kind], stamp=f".installed-{kind}", what=what)
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped; run it again to continue\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
