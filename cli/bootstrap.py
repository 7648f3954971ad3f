"""Makes the virtual environments, with nothing but the standard library: the Makefile runs this first of all.

`python3 cli/bootstrap.py run` installs what deploying and running need, `… dev` also what the tests need; `… up` checks
first whether the platform can start here. A stamp in the environment holds the hash of its requirements, so that a second run
does nothing.
"""

# Run by any `python3` that the machine has, so the first lines must parse on old versions too.
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"


def keep_python() -> None:
    """Goes on with the Python that made `.venv`, whichever comes first in PATH today, unless `chosen` says that this one is meant."""
    try:
        lines = (VENV / "pyvenv.cfg").read_text().splitlines()
    except OSError:
        return
    made = dict(line.split(" = ", 1) for line in lines if " = " in line)
    program = made.get("executable", "")
    if not os.access(program, os.X_OK) or os.path.realpath(program) == os.path.realpath(sys.executable):
        return
    sys.stderr.write(
        "Going on with Python "
        + made.get("version", "")
        + ", which made .venv; to change to "
        + sys.version.split()[0]
        + ": make up PYTHON="
        + sys.executable
        + "\n"
    )
    sys.stderr.flush()
    os.execv(program, [program, *sys.argv, "chosen"])  # noqa: S606


if __name__ == "__main__" and "chosen" not in sys.argv:
    keep_python()

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
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache

LOGS = ROOT / ".local" / "log"
FILES = {"run": "requirements.txt", "dev": "requirements-dev.txt"}
# Versions and hashes of whatever is installed, made by `make locks`; bench environments have none.
LOCKS = ROOT / "locks"
# Not in requirements.txt: where uv cannot be installed, pip installs the same requirements.
UV = "uv==0.13.9"
# Of our own environment, of uv and of the emulator.
LOCK = "dev.txt"
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
    text = "\0".join((sys.version, sys.base_prefix, str(ROOT), *parts))
    return hashlib.sha256(text.encode()).hexdigest()


def pins(file: Path) -> list[str]:
    """The requirements of a file, `name==version` each, with those of the files that it includes by `-r`."""
    lines = [line.partition("#")[0].strip() for line in file.read_text().splitlines()]
    listed = []
    for line in filter(None, lines):
        included = line.startswith("-r ")
        listed += pins(file.parent / line.removeprefix("-r ").strip()) if included else [line]
    return listed


def with_hashes(requirements: Sequence[str], lock: Path) -> str:
    """Requirements as the text of a file, each with its hashes, which pip wants beside what it is asked for.

    Raises:
        SetupError: the lock lacks one of them.
    """
    locked = {}
    for entry in re.split(r"\n(?=\w)", lock.read_text()):
        name, _, rest = entry.partition("==")
        locked[name.lower(), rest.split(maxsplit=1)[0] if rest else ""] = re.findall(r"--hash=\S+", entry)
    text = ""
    for requirement in requirements:
        name, _, version = requirement.partition("==")
        hashes = locked.get((name.partition("[")[0].lower(), version))
        if not hashes:
            raise SetupError(f"{lock.name} has no hashes of {requirement}; run: make locks")
        text += f"{requirement} {' '.join(hashes)}\n"
    return text


def ensure(
    folder: Path, requirements: Sequence[str], *, stamp: str, what: str, lock: str = "", ours: bool = False
) -> bool:
    """Creates the virtual environment `folder` with the given requirements installed.

    Args:
        folder: of the environment.
        requirements: what is installed, `name==version` each.
        stamp: the stamp's name inside the folder.
        what: its name in the progress line.
        lock: the file in `locks/` with the versions and hashes of all that is installed; empty for none.
        ours: whether our own commands are installed, too.

    Returns:
        False when the environment was current already, or is a link to one.

    Raises:
        SetupError: the environment or an installation failed.
    """
    # Another checkout's, which looks after it.
    if folder.is_symlink():
        return False
    with alone(folder):
        mark, wanted = folder / stamp, state(requirements, lock, ours=ours)
        if mark.exists() and mark.read_text() == wanted:
            return False
        started = time.monotonic()
        sys.stderr.write(
            f"Installing {what} into {folder.relative_to(ROOT)} (the first time takes about a minute) … "
        )
        sys.stderr.flush()
        _make(folder)
        mark.unlink(missing_ok=True)
        install(folder / "bin" / "python", requirements, lock=lock)
        if ours:
            install(folder / "bin" / "python", ["--no-deps", "--no-build-isolation", "-e", "."])
        mark.write_text(wanted)
        sys.stderr.write(f"{time.monotonic() - started:.0f} s\n")
        return True


def state(requirements: Sequence[str], lock: str = "", *, ours: bool = False) -> str:
    """The hash that the stamp of an environment holds while it has these requirements."""
    texts = [(LOCKS / lock).read_text()] if lock else []
    return fingerprint([*requirements, *texts, *([(ROOT / "pyproject.toml").read_text()] if ours else [])])


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Locks `folder`: another process that creates it, such as a second test process, waits until this one has ended."""
    locks = ROOT / ".local"
    locks.mkdir(exist_ok=True)
    with (locks / f"{folder.name.lstrip('.')}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write(f"Another command installs {folder.name} here; waiting for its end …\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(python: Path, requirements: Sequence[str], *, lock: str = "") -> None:
    """Installs packages for an interpreter: with uv, which needs a seventh of pip's processor time, or with pip where uv fails.

    Args:
        python: the interpreter of the environment.
        requirements: `name==version` each; without a lock whatever uv and pip both understand.
        lock: the file in `locks/` that has the hashes of all that may be installed; empty to install without.

    Raises:
        SetupError: uv and pip failed; the message holds what pip printed.
    """
    # pip wants a hash beside each requirement, those of requirements, too: it is given all of the lock.
    by_pip = ["--require-hashes", "-r", str(LOCKS / lock)] if lock else requirements
    try:
        install_by_uv(python, requirements, lock=lock)
    except SetupError:
        # For example an index that only pip may use, or an interrupted installation of uv.
        (VENV / "bin" / "uv").unlink(missing_ok=True)
        _run([*_pip(), "--python", str(python), "install", "--quiet", *by_pip], "pip.log", hint=NETWORK_HINT)


def install_by_uv(
    python: Path, requirements: Sequence[str], *, lock: str = "", options: Sequence[str] = ()
) -> None:
    """The same with uv alone, and with options of its own, such as `--target FOLDER`.

    Raises:
        SetupError: uv failed, or the lock lacks a requirement; the message holds what uv printed.
    """
    command = [str(uv()), "pip", "install", "--quiet", "--python", str(python), *options]
    if not lock:
        _run([*command, *requirements], "uv.log", hint=NETWORK_HINT, environ=uv_settings())
        return
    with _file(with_hashes(requirements, LOCKS / lock)) as listed:
        command += ["--require-hashes", "-r", listed, "-c", str(LOCKS / lock)]
        _run(command, "uv.log", hint=NETWORK_HINT, environ=uv_settings())


def uv() -> Path:
    """The program uv in our environment; installed if it is missing.

    Raises:
        SetupError: pip could not install it.
    """
    program = VENV / "bin" / "uv"
    if not program.exists():
        with _file(with_hashes([UV], LOCKS / LOCK)) as listed:
            command = [*_pip(), "install", "--quiet", "--require-hashes", "-r", listed]
            _run(command, "pip.log", hint=NETWORK_HINT)
    return program


@contextmanager
def _file(text: str) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", prefix="requirements-", suffix=".txt") as file:
        file.write(text)
        file.flush()
        yield file.name


def uv_settings() -> dict[str, str]:
    """The environment variables by which uv does as pip is set up to do."""
    return _uv_settings(_pip())


def _pip() -> list[str]:
    return [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]


def _uv_settings(pip: Sequence[str]) -> dict[str, str]:
    settings = re.findall(r"^([^.=]*)\.([a-z-]+)='(.*)'$", _pip_settings(tuple(pip)), flags=re.MULTILINE)
    # As in pip, the environment overrides the files.
    settings.sort(key=lambda one: one[0] == ":env:")
    variables = {UV_NAMES[name]: value for _, name, value in settings if name in UV_NAMES}
    if "UV_FIND_LINKS" in variables:
        variables["UV_FIND_LINKS"] = ",".join(variables["UV_FIND_LINKS"].split())
    # On the same file system as the environments, whose files are links into it: shared packages are stored once.
    return {"UV_CACHE_DIR": str(ROOT / ".local" / "uv"), **variables}


@cache
def _pip_settings(pip: tuple[str, ...]) -> str:
    """What `pip config list` prints, which takes a second."""
    return subprocess.run(
        [*pip, "config", "list"], env=_clean_environment(), capture_output=True, text=True, check=False
    ).stdout


def _make(folder: Path) -> None:
    """Creates the empty environment; one that was moved here, or whose Python is gone, is created anew."""
    made_by = folder / ".made-by"
    now = f"{sys.version}\n{folder}"
    if made_by.exists() and made_by.read_text() == now and (folder / "bin" / "python").exists():
        return
    if made_by.exists():
        sys.stderr.write(
            f"(anew: {made_by.read_text().split(maxsplit=1)[0]} made it, this is {sys.version.split()[0]}) "
        )
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
            # A group of its own, so that a stop ends its child processes as well.
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=clean,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        except OSError as error:
            raise SetupError(f"{command[0]} could not be run: {error}\n{hint}") from error
        try:
            code = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    if code:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise SetupError(f"failed.\n{tail}\n{hint}\nThe full log: {log.relative_to(ROOT)}")


def stop_like_ctrl_c() -> None:
    """Has a closed terminal and a TERM end this program as Ctrl-C does: with what it started."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Not what `nohup` ignores.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def _clean_environment() -> dict[str, str]:
    """The environment without the caller's PYTHONPATH and active virtual environment."""
    foreign = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET"}
    return {name: value for name, value in os.environ.items() if name not in foreign}


def check() -> None:
    """Refuses what `make up` could not do here, before anything is installed.

    Raises:
        SetupError: the message says what is missing and what to do.
    """
    # This file runs as a script, beside no installation.
    sys.path.insert(0, str(ROOT))
    from cli import places
    from cli.errors import CommandError
    from cli.local import preflight

    here = places.checkout()
    try:
        preflight.check(here, places.port(here))
    except (CommandError, ValueError) as error:
        raise SetupError(str(error)) from error


def main(arguments: Sequence[str]) -> int:
    """Makes `.venv` for `run` or `dev`; `up` is `run` after the checks of the local platform."""
    name = arguments[0] if arguments else "run"
    kind = "run" if name == "up" else name
    if kind not in FILES:
        sys.stderr.write("usage: bootstrap.py up|run|dev [chosen]\n")
        return 2
    stop_like_ctrl_c()
    try:
        if name == "up":
            check()
        _ensure(kind)
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped; run it again to continue\n")
        return 130
    return 0


def _ensure(kind: str) -> None:
    wanted = {name: pins(ROOT / file) for name, file in FILES.items()}
    # `dev` includes all of `run`, so its stamp counts for both.
    made = VENV / ".installed-dev"
    if kind == "run" and made.exists() and made.read_text() == state(wanted["dev"], LOCK, ours=True):
        return
    what = "Millrace's requirements" if kind == "run" else "Millrace's requirements and those of its tests"
    ensure(VENV, wanted[kind], stamp=f".installed-{kind}", what=what, lock=LOCK, ours=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
