"""The code keeps to the import table of docs/architecture.md."""

import ast
import json
import re
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "layers/millrace/python/millrace"
PURE = (
    "intake/validate.py",
    "intake/enrich.py",
    "eventstore/fingerprint.py",
    "intake/parse.py",
    "producers/cloudevents.py",
    "producers/segment.py",
    "producers/snowplow.py",
    "producers/skew.py",
    "contracts/validator.py",
    "contracts/rules.py",
    "contracts/registry.py",
)
STEMS = sorted(path.parent.name for path in ROOT.glob("functions/*/handler.py"))


def table() -> dict[str, set[str]]:
    """Package → the packages it may import, from the document."""
    text = (ROOT / "docs/architecture.md").read_text()
    rows = text.split("| package | is |")[1].split("\n\n")[0].splitlines()[2:]
    allowed = {}
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        allowed[cells[0].strip("`")] = set(re.findall(r"`(\w+)`", cells[2]))
    return allowed


@cache
def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def test_every_package_has_its_row() -> None:
    packages = {path.parent.name for path in PACKAGES.glob("*/__init__.py")}
    assert packages - {"bundle"} == set(table())


@pytest.mark.parametrize("package", sorted(table()))
def test_a_package_imports_only_what_its_row_allows(package: str) -> None:
    allowed = table()[package] | {package}
    if package != "core":
        allowed |= {"core", "contracts"}
    for path in (PACKAGES / package).rglob("*.py"):
        for name in imports(path):
            parts = name.split(".")
            assert parts[0] not in {"functions", "stacks", "cli", "tests"}, f"{path}: {name}"
            if parts[0] == "millrace" and len(parts) > 1 and (PACKAGES / parts[1]).is_dir():
                assert parts[1] in allowed, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("name", PURE)
def test_rules_know_no_aws(name: str) -> None:
    for found in imports(PACKAGES / name):
        assert found.split(".")[0] not in {"boto3", "botocore", "aws_lambda_powertools"}, found
        assert not found.startswith("millrace.core.aws"), found


def importers(package: str) -> set[str]:
    """Who imports a package or module, of the functions and of the packages outside it."""
    files = [*PACKAGES.rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    named = {path: [name for name in imports(path) if f"{name}.".startswith(f"{package}.")] for path in files}
    inside = PACKAGES.parent / package.replace(".", "/")
    return {
        str(path.relative_to(PACKAGES if path.is_relative_to(PACKAGES) else ROOT))
        for path, names in named.items()
        if names and not path.is_relative_to(inside)
    }


def test_only_the_check_of_a_contract_compiles_at_run_time() -> None:
    assert importers("millrace.compiler") == {"api/check.py"}
    assert importers("millrace.api.check") == {"functions/check_schema/handler.py"}


def test_only_one_module_knows_where_the_bundle_lies() -> None:
    files = [*PACKAGES.rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    knowing = {
        path.relative_to(PACKAGES).as_posix() for path in files if "MILLRACE_BUNDLE" in path.read_text()
    }
    assert knowing == {"core/bundle.py"}


def test_handlers_are_edges() -> None:
    for handler in ROOT.glob("functions/*/handler.py"):
        beside = {path.name for path in handler.parent.iterdir() if path.suffix == ".py"}
        assert beside == {"handler.py", "settings.py"}
        lines = [line for line in handler.read_text().splitlines() if line.strip()]
        assert len(lines) <= 60, f"{handler.parent.name}: rules belong in a package"


@pytest.fixture(scope="module")
def imported() -> dict[str, str | None]:
    """What went wrong when each handler was imported: in one process, in which only libraries stay from one to the next."""
    code = """
import importlib, json, socket, sys, traceback

def closed(*a, **k): raise AssertionError("network at import")

socket.socket.connect = closed
import boto3
boto3.client = boto3.resource = closed

def fault(stem):
    for name in [name for name in sys.modules if name.partition(".")[0] in ("functions", "millrace")]:
        del sys.modules[name]
    try:
        assert importlib.import_module(f"functions.{stem}.handler").handler.name == stem
    except BaseException:
        return traceback.format_exc()

print(json.dumps({stem: fault(stem) for stem in sys.argv[1:]}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, *STEMS],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/millrace/python'}"},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    faults: dict[str, str | None] = json.loads(done.stdout)
    return faults


@pytest.mark.parametrize("stem", STEMS)
def test_a_handler_is_imported_without_environment_and_network(
    stem: str, imported: dict[str, str | None]
) -> None:
    assert imported[stem] is None, imported[stem]


def test_sockets_are_off_here() -> None:
    with pytest.raises(Exception, match="socket"):
        socket.socket(socket.AF_INET, socket.SOCK_STREAM)
