"""Makes the virtual environments, with nothing but the standard library: the Makefile runs this before anything is there.

`python3 cli/bootstrap.py run` installs what deploys and runs, `… dev` also what tests. A stamp in the environment
holds the hash of what was asked for, so that a second run costs nothing.
"""

# Read by whatever `python3` the machine has, so the first lines must parse on old ones too.
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
# Not in requirements.txt: where there is no uv, pip installs what stands there.
UV = "uv==0.13.9"
# What pip is told by its files or its environment, as uv wants to be told.
UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "cert": "SSL_CERT_FILE",
}
TRY_AGAIN = "Is the network there? Run the same command again to go on."


class SetupError(Exception):
    """The environment could not be made; the message says what to do."""


def fingerprint(parts: Sequence[str]) -> str:
    """What an environment depends on: the interpreter, the folder it stands in, and the given texts."""
    text = "\0".join((sys.version, sys.prefix, str(ROOT), *parts))
    return hashlib.sha256(text.encode()).hexdigest()


def ensure(folder: Path, arguments: Sequence[str], wanted: str, *, stamp: str, what: str) -> bool:
    """Makes `folder` a virtual environment with the given pip arguments installed.

    Args:
        folder: where the environment stands.
        arguments: what pip installs.
        wanted: the hash that the stamp holds when nothing is left to do.
        stamp: the stamp's name inside the folder.
        what: how the progress line names it.

    Returns:
        False when everything was there already.

    Raises:
        SetupError: the environment or an installation failed.
    """
    with alone(folder):
        return _ensure(folder, arguments, wanted, folder / stamp, what)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Whoever else makes `folder` at the same time, such as a second test process, waits until this one has ended."""
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
    """Installs packages for an interpreter: with uv, which takes a seventh of pip's processor time, or with pip where uv cannot.

    Args:
        python: the interpreter of the environment.
        arguments: what both understand: requirements, `-r FILE`, `-e FOLDER`, `--target FOLDER`, `--only-binary=:all:`.

    Raises:
        SetupError: neither could; the message holds what pip printed.
    """
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    uv = VENV / "bin" / "uv"
    try:
        if not uv.exists():
            _run([*pip, "install", "--quiet", UV], "pip.log", hint=TRY_AGAIN)
        command = [str(uv), "pip", "install", "--quiet", "--python", str(python), *arguments]
        _run(command, "uv.log", hint=TRY_AGAIN, environ=_told_to_uv(pip))
    except SetupError:
        # Such as an index that only pip may use, or a uv whose installation was cut off.
        uv.unlink(missing_ok=True)
        _run([*pip, "--python", str(python), "install", "--quiet", *arguments], "pip.log", hint=TRY_AGAIN)


def _told_to_uv(pip: Sequence[str]) -> dict[str, str]:
    shown = subprocess.run(
        [*pip, "config", "list"], env=_clean_environment(), capture_output=True, text=True, check=False
    ).stdout
    told = re.findall(r"^([^.=]*)\.([a-z-]+)='(.*)'$", shown, flags=re.MULTILINE)
    # As pip has it, the environment stands over the files.
    told.sort(key=lambda one: one[0] == ":env:")
    found = {UV_NAMES[name]: value for _, name, value in told if name in UV_NAMES}
    if "UV_FIND_LINKS" in found:
        found["UV_FIND_LINKS"] = ",".join(found["UV_FIND_LINKS"].split())
    # Beside the environments, whose files are links into it: what two of them need is there once.
    return {"UV_CACHE_DIR": str(ROOT / ".local" / "uv"), **found}


def _make(folder: Path) -> None:
    """Makes the empty environment; one that was moved here, or outlived its Python, is made anew."""
    made_by = folder / ".made-by"
    now = f"{sys.version}\n{folder}"
    if made_by.exists() and made_by.read_text() == now and (folder / "bin" / "python").exists():
        return
    if folder.exists():
        shutil.rmtree(folder)
    # Only `.venv` needs pip: it installs uv, and stands in for it everywhere.
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
            raise SetupError(f"{command[0]} cannot be run: {error}\n{hint}") from error
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise SetupError(f"failed.\n{tail}\n{hint}\nThe whole log: {log.relative_to(ROOT)}")


def _clean_environment() -> dict[str, str]:
    """Without a PYTHONPATH or an active environment of the caller, which must not reach ours."""
    foreign = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET"}
    return {name: value for name, value in os.environ.items() if name not in foreign}


def main(arguments: Sequence[str]) -> int:
    """Makes `.venv` for `run` or `dev`."""
    kind = arguments[0] if arguments else "run"
    if kind not in FILES:
        sys.stderr.write("usage: bootstrap.py run|dev\n")
        return 2
    # `dev` holds all of `run`, so its stamp serves both.
    wanted = {name: fingerprint([(ROOT / f).read_text() for f in HASHED[name]]) for name in FILES}
    if (
        kind == "run"
        and (VENV / ".installed-dev").exists()
        and (VENV / ".installed-dev").read_text() == wanted["dev"]
    ):
        return 0
    wheels = [argument for file in FILES[kind] for argument in ("-r", file)]
    what = "what Millrace runs on" if kind == "run" else "what Millrace runs on and is tested with"
    try:
        ensure(VENV, [*wheels, "-e", "."], wanted[kind], stamp=f".installed-{kind}", what=what)
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped; run it again to go on\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
