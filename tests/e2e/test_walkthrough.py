"""The guide, typed as printed in a copy of the checkout, on the session's platform.

It deploys contracts of its own, so it is the last file of this folder: tests before it see the checkout's alone.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import guide
from tests.support.guide import ROOT

EXAMPLE = ROOT / "examples" / "support"
TOOLS = ("ministack-venv", "cdk")
PAGES = guide.pages()
# The layer of our own code and contracts is another one in the copy.
_OURS = shutil.ignore_patterns("millrace*")


@pytest.fixture(scope="module")
def reader(deployed: dict[str, Any], environ: dict[str, str]) -> Iterator[guide.Reader]:
    local = Path(environ["MILLRACE_LOCAL"])
    # Beside the platform, and so on the same disk; with a space, as in the folders of many people.
    root = local.with_name(f"{local.name} checkout")
    try:
        _copy(root)
        # Whatever is installed is the checkout's; the running platform is the session's.
        (root / ".venv").symlink_to(ROOT / ".venv")
        (root / ".local").symlink_to(local)
        for name in TOOLS:
            (local / name).symlink_to(ROOT / ".local" / name)
        layers = Path("build") / "layers"
        shutil.copytree(ROOT / layers, root / layers, copy_function=_linked, ignore=_OURS)
        code = os.pathsep.join((str(root), str(root / "layers/millrace/python")))
        with guide.Reader(root, {**environ, "PYTHONPATH": code}) as made:
            yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _linked(source: str, target: str) -> None:
    """A file of an installed layer, which nobody writes again; a stamp is written again."""
    (shutil.copyfile if source.endswith(".stamp") else os.link)(source, target)


def _copy(root: Path) -> None:
    """What git has of the checkout and what is new there, as a repository of its own: contracts are compared with a revision."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    nobody = ("-c", "user.name=guide", "-c", "user.email=guide@example.org")
    for arguments in (("init", "-q"), ("add", "-A"), (*nobody, "commit", "-q", "-m", "A copy")):
        subprocess.run(["git", *arguments], cwd=root, check=True)


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_a_page_does_what_it_prints(reader: guide.Reader, page: Path) -> None:
    if reader.failed is not None:
        pytest.skip(f"{reader.failed} comes before it")
    reader.follow(page)
    if page.name == "deploy.md":
        assert reader.silver is not None
        _as_in_the_example(reader.root)


def _as_in_the_example(root: Path) -> None:
    """What a reader has written by then is what examples/support/ has."""
    for file in [*EXAMPLE.rglob("v1.yaml"), *EXAMPLE.rglob("marts/*"), *EXAMPLE.rglob("features/*")]:
        mine = root / file.relative_to(EXAMPLE)
        if file.suffix == ".yaml":
            assert yaml.safe_load(mine.read_text()) == yaml.safe_load(file.read_text()), mine
        else:
            assert mine.read_text() == file.read_text(), mine
