"""sqlfluff finds nothing in the models of the dbt project, by the project's own rules."""

import subprocess

import pytest

from tests.interop.clients.environments import ROOT, python_environment

pytestmark = pytest.mark.interop


def test_the_models_are_clean() -> None:
    program = python_environment("sqlfluff").with_name("sqlfluff")
    done = subprocess.run(
        [program, "lint", "models"],
        cwd=ROOT / "warehouse",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
