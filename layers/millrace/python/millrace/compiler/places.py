"""The lines that problems stand in: `schemas/events/…/v1.yaml:12 /version: …`. Build only."""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from millrace.compiler.documents import FastLoader
from millrace.compiler.warehouse.errors import WarehouseError
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.contracts.pointers import parse

_IN_YAML = re.compile(r' in "<unicode string>", line ([0-9]+), column [0-9]+(?:: .*? \^(?= |$))?')
_IN_SQL = re.compile(r"\bline:? ([0-9]+)", re.IGNORECASE)
_TRANSFORM = re.compile(r"(?:[a-z_]+\.)?([a-z][a-z0-9_]*): (.*)", re.DOTALL)


def located(error: ContractError | WarehouseError, root: Path) -> list[str]:
    """Each problem with its file and line, from the folder that holds `schemas/` and `warehouse/`."""
    if isinstance(error, ContractError):
        return [_of_contract(problem, root) for problem in error.problems]
    return [_of_transform(problem, root) for problem in error.problems]


def _of_contract(problem: ContractProblem, root: Path) -> str:
    sentence, path = problem.sentence, root / "schemas" / problem.file
    if not path.is_file():
        return str(problem)
    marks = list(_IN_YAML.finditer(sentence))
    # A quote that is not closed is missed at the end of the file, and stands where it was opened.
    at = 0 if "quoted scalar" in sentence else -1
    line = int(marks[at][1]) if marks else _line(path, problem.pointer)
    # The parser's snippet of the text is on the line that is named.
    said = _IN_YAML.sub("", sentence).strip(" :^") if marks else sentence
    if r"'\t'" in said:
        said += "; YAML is indented with spaces, not tabs"
    pointer = f" {problem.pointer}" if problem.pointer else ""
    return f"schemas/{problem.file}:{line}{pointer}: {said}"


def _line(path: Path, pointer: str) -> int:
    """The line of what a pointer leads to, or of the innermost part above it that is there."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), FastLoader)
        line = 1
        for part in parse(pointer):
            for key, value in _children(node):
                if key.value == part if isinstance(key, yaml.Node) else key == part:
                    line, node = (key if isinstance(key, yaml.Node) else value).start_mark.line + 1, value
                    break
            else:
                return line
    except (yaml.YAMLError, ValueError):
        return 1
    return line


def _children(node: yaml.Node | None) -> Iterator[tuple[yaml.Node | str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from node.value
    elif isinstance(node, yaml.SequenceNode):
        yield from ((str(place), value) for place, value in enumerate(node.value))


def _of_transform(problem: str, root: Path) -> str:
    match = _TRANSFORM.fullmatch(problem)
    files = sorted((root / "warehouse" / "models").rglob(f"{match[1]}.sql")) if match else []
    if match is None or len(files) != 1:
        return problem
    line = _IN_SQL.search(match[2])
    return f"{files[0].relative_to(root).as_posix()}{f':{line[1]}' if line else ''}: {match[2]}"
