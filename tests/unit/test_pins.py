"""One version of a package wherever it is asked for: what trains, what serves and what tests are pinned together."""

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest

from cli import bootstrap, locks

ROOT = Path(__file__).parents[2]
FILES = (
    *ROOT.glob("requirements*.txt"),
    *ROOT.glob("layers/*/requirements.txt"),
    ROOT / "training/requirements.txt",
)
# What a model is made with, and what answers by it.
TRAINS_AND_SERVES = ("numpy", "onnxruntime", "pyarrow", "orjson")


def pins() -> dict[str, dict[str, str]]:
    """Package → file → version."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for path in FILES:
        for line in path.read_text().splitlines():
            if pin := re.match(r"([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)", line):
                found[pin[1].lower()][str(path.relative_to(ROOT))] = pin[2]
    return found


def test_a_package_has_one_version() -> None:
    assert {name: files for name, files in pins().items() if len(set(files.values())) > 1} == {}


def test_actions_are_pinned_by_commit() -> None:
    """A tag can be moved to other code."""
    used = [
        line.split("uses:", 1)[1].split()[0]
        for path in (ROOT / ".github/workflows").glob("*.yml")
        for line in path.read_text().splitlines()
        if "uses:" in line
    ]
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", one)] == []


def test_the_lock_of_the_cdk_command_line_has_hashes_and_no_address() -> None:
    lock = json.loads((ROOT / "cli/local/npm/package-lock.json").read_text())
    packages = [one for name, one in lock["packages"].items() if name]
    assert packages
    assert all(one["integrity"].startswith("sha512-") and "resolved" not in one for one in packages)


def test_what_trains_is_what_serves() -> None:
    found = pins()
    for name in TRAINS_AND_SERVES:
        assert "training/requirements.txt" in found[name], name
        assert any(file.startswith("layers/") for file in found[name]), name


@pytest.mark.parametrize("name", locks.REQUIREMENTS)
def test_a_lock_is_of_the_requirements_and_has_their_hashes(name: str) -> None:
    """One that is out of date is made by `make locks`."""
    text, requirements = (bootstrap.LOCKS / name).read_text(), locks.REQUIREMENTS[name]()
    assert text.startswith(locks.header(requirements))
    assert bootstrap.with_hashes(requirements, bootstrap.LOCKS / name)
    entries = re.split(r"\n(?=\w)", text)[1:]
    assert [entry for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}", entry)] == []
    assert "://" not in text


def test_functions_run_what_the_tests_run() -> None:
    """The locks of both have one version of each package."""
    found = []
    for name in (bootstrap.LOCK, "layers.txt"):
        lines = (bootstrap.LOCKS / name).read_text().splitlines()
        found.append(dict(line.split()[0].split("==") for line in lines if re.match(r"\w", line)))
    tested, run = found
    assert {
        package: run[package] for package in run if tested.get(package, run[package]) != run[package]
    } == {}
