"""One version of a package wherever it is asked for: what trains, what serves and what tests are pinned together."""

import json
import re
from collections import defaultdict
from pathlib import Path

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
