"""docs/local.md says all that differs on a laptop, and nothing that does not."""

import ast
import re
from pathlib import Path

from cli.local import emulator
from stacks.environment import ENVIRONMENTS
from stacks.omissions import OMISSION_REASONS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/local.md").read_text()


def table(heading: str) -> dict[str, str]:
    """The first table below a heading: first column → second."""
    part = re.split(rf"^## {re.escape(heading)}$", TEXT, flags=re.MULTILINE)[1].split("\n## ")[0]
    cells = [line.strip("|").split("|", 1) for line in part.splitlines() if line.startswith("|")]
    return {first.strip(): second.strip() for first, second in cells[2:]}


def patches_of_the_running_emulator() -> set[str]:
    """The names in `PATCHES`: the file runs on the emulator's interpreter, not on this one."""
    tree = ast.parse((ROOT / "cli/local/serve_emulator.py").read_text())
    (patches,) = [
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "PATCHES"
    ]
    assert isinstance(patches, ast.Tuple)
    return {ast.unparse(name) for name in patches.elts}


def test_each_omission_is_listed_with_its_reason() -> None:
    assert table("What the stacks leave out") == {
        f"`{what}`": reason for what, reason in OMISSION_REASONS.items()
    }
    assert ENVIRONMENTS["local"].omissions == set(OMISSION_REASONS)
    assert not any(ENVIRONMENTS[name].omissions for name in ("dev", "staging", "prod"))


def test_each_patch_is_listed() -> None:
    listed = {name.strip("`") for name in table("Patches to the emulator")}
    assert listed == patches_of_the_running_emulator() | {repair.__name__ for repair in emulator.REPAIRS}
    for name, value in emulator.SWITCHED_OFF.items():
        assert f"`{name}={value}`" in TEXT


def test_each_setting_that_differs_is_there() -> None:
    local, dev = ENVIRONMENTS["local"].model_dump(), ENVIRONMENTS["dev"].model_dump()
    # On a machine with the Python and the processor of `dev` those two do not differ.
    differ = {name for name in local if local[name] != dev[name]} | {"runtime", "architecture"}
    rows = table("Settings that differ from `dev`")
    listed = {name.strip("` ") for row in rows for name in row.split(",")}
    assert listed == differ - {"name"}


def test_numbers_are_those_of_the_code() -> None:
    throttle = ENVIRONMENTS["local"].throttle
    assert f"{throttle.rate} requests a second" in TEXT
