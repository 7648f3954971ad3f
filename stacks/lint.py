"""cfn-lint over the templates of every environment. `make lint` synthesizes them for it, under cdk-nag; the tests have them."""

import os
import sys
from collections.abc import Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stacks.application import build_application, new_app
from stacks.environment import ENVIRONMENTS

# The CDK names the role that a function depends on, although its ARN says so too.
IGNORED = ("W3005",)
# What depends on the day: whether a runtime is still supported. `make lint` says so, and tests pass on any day.
DATED = ("E2531", "E2533", "W2531")
# Findings that are none: the schema of state machines wants a number or an object where JSONata makes one. By the ends of
# their paths.
JSONATA = {"E3601": ("MaxConcurrency", "ItemSelector")}
# The rule that keeps a stack without its layers from being deployed never holds here: nothing is built for a lint.
UNBUILT = {"W8003": ("Assert",)}


def main() -> int:
    """Prints what cfn-lint finds; ends with 1 where it finds anything."""
    # Spawned: the CDK's process behind this one cannot serve two.
    processes = min(len(ENVIRONMENTS), os.cpu_count() or 1)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        lines = [line for found in pool.map(findings, ENVIRONMENTS) for line in found]
    sys.stderr.writelines(f"{line}\n" for line in lines)
    sys.stdout.write(f"cfn-lint: {len(lines) or 'no'} findings in {len(ENVIRONMENTS)} environments\n")
    return int(bool(lines))


def findings(environment: str) -> list[str]:
    """What cfn-lint finds in the templates of an environment, a line each."""
    with TemporaryDirectory() as folder:
        app = new_app(f"{folder}/out")
        build_application(app, ENVIRONMENTS[environment], layers=Path(folder) / "layers")
        stacks = app.synth().stacks
        return [line for stack in stacks for line in lint(Path(stack.template_full_path))]


def lint(template: Path, ignored: Collection[str] = IGNORED) -> Iterator[str]:
    """The findings of one template that are true, but for those of the rules `ignored`."""
    from cfnlint.api import lint_file  # noqa: PLC0415  a second of imports, in each process
    from cfnlint.config import ManualArgs  # noqa: PLC0415

    for match in lint_file(template, ManualArgs(ignore_checks=list(ignored))):
        if not _is_false(match):
            where = "/".join(str(step) for step in match.path or ())
            yield f"{template.name} {where}: {match.rule.id} {match.message}"


def _is_false(match: Any) -> bool:
    ends = {**JSONATA, **UNBUILT}.get(match.rule.id, ())
    return any(step in ends for step in match.path[-1:])


if __name__ == "__main__":
    sys.exit(main())
