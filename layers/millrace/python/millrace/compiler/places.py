"""The lines that problems stand in: `schemas/events/…/v1.yaml:12 /version: …`. Build only."""

import re
from dataclasses import replace
from pathlib import Path

from millrace.compiler.documents import line_of
from millrace.compiler.warehouse.errors import WarehouseError
from millrace.contracts.errors import ContractError, ContractProblem

_IN_YAML = re.compile(r' in "<unicode string>", line ([0-9]+), column [0-9]+(?:: .*? \^(?= |$))?')
_IN_SQL = re.compile(r"\bline:? ([0-9]+)", re.IGNORECASE)
_TRANSFORM = re.compile(r"(?:[a-z_]+\.)?([a-z][a-z0-9_]*): (.*)", re.DOTALL)


# A word of the SQL that a sentence names: in quotes, or as what is not there.
_WORD = re.compile(r"""["'](\w+)["']|called (\w+)|\.(\w+) is not a table|^(\w+) is (?:in the SQL|[A-Z])""")
_CHECK = re.compile(r"the check (\S+) cannot be computed")


def located(error: ContractError | WarehouseError, root: Path) -> list[str]:
    """Each problem with its file and line, from the folder that holds `schemas/` and `warehouse/`."""
    if isinstance(error, WarehouseError):
        return [_of_transform(problem, root) for problem in error.problems]
    return [
        at_line(replace(problem, file=f"schemas/{problem.file}"), root / "schemas" / problem.file)
        for problem in error.problems
    ]


def at_line(problem: ContractProblem, path: Path) -> str:
    """A problem of a file with its line: `schemas/fraud/rules.yaml:12 /version: …`."""
    sentence = problem.sentence
    if not path.is_file():
        return f"{problem.file}: {sentence}"
    marks = list(_IN_YAML.finditer(sentence))
    # A quote that is not closed is missed at the end of the file, and stands where it was opened.
    at = 0 if "quoted scalar" in sentence else -1
    line = int(marks[at][1]) if marks else line_of(_text(path), problem.pointer)
    # The parser's snippet of the text is on the line that is named.
    said = _IN_YAML.sub("", sentence).strip(" :^") if marks else sentence
    if r"'\t'" in said:
        said += "; YAML is indented with spaces, not tabs"
    pointer = f" {problem.pointer}" if problem.pointer else ""
    return f"{problem.file}:{line}{pointer}: {said}"


def _of_transform(problem: str, root: Path) -> str:
    match = _TRANSFORM.fullmatch(problem)
    if match is None:
        return problem
    files = sorted((root / "warehouse" / "models").rglob(f"{match[1]}.sql"))
    contracts = sorted((root / "schemas" / "tables").rglob(f"{match[1]}.yaml"))
    # A check stands in the contract, and so does a table that nothing makes.
    check = _CHECK.match(match[2])
    file = next(iter(contracts if check or not files else files), None)
    if file is None or len(files) > 1:
        return problem
    given = None if check else _IN_SQL.search(match[2])
    line = given[1] if given else _line_of_word(_text(file), check or _WORD.search(match[2]))
    return f"{file.relative_to(root).as_posix()}{f':{line}' if line else ''}: {match[2]}"


def _line_of_word(text: str, match: re.Match[str] | None) -> int | None:
    """The first line that has the word that was matched."""
    word = next(filter(None, match.groups()), "") if match else ""
    pattern = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")
    lines = enumerate(text.splitlines(), start=1)
    return next((number for number, line in lines if word and pattern.search(line)), None)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
