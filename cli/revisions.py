"""Another revision of this checkout's schemas, from git."""

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.errors import RefusedError, UsageError

SECONDS = 60


def default_base(root: Path) -> str:
    """The merge base with `origin/main`; `HEAD` where there is no such branch, or this is its tip.

    Raises:
        RefusedError: this is not a git checkout.
    """
    base = _git(root, "merge-base", "origin/main", "HEAD")
    if base.returncode == 0:
        return base.stdout.decode().strip()
    if _git(root, "rev-parse", "--git-dir").returncode:
        raise RefusedError("this is not a git checkout: there is no base to compare with")
    return "HEAD"


@contextmanager
def schemas_at(root: Path, revision: str) -> Iterator[Path | None]:
    """The `schemas/` of a revision in a temporary folder; None where that revision has none.

    Raises:
        UsageError: there is no such revision.
    """
    known = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if known.returncode:
        raise UsageError(f"git has no revision {revision}")
    commit = known.stdout.decode().strip()
    if _git(root, "cat-file", "-e", f"{commit}:schemas").returncode:
        yield None
        return
    packed = _git(root, "archive", "--format=tar", commit, "schemas")
    if packed.returncode:
        raise RefusedError(f"git archive {revision}: {packed.stderr.decode().strip()}")
    with tempfile.TemporaryDirectory(prefix="millrace-base-") as folder:
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder) / "schemas"


def _git(root: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, timeout=SECONDS, check=False
    )
