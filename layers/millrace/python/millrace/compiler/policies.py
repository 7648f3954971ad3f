"""From `schemas/policies/` to the policies of the bundle: parsed, checked against their schema, and held to the list of actions and roles.

Build only. Cedar itself says neither where a fault is nor that a role does not exist, so a policy is a statement of its own here.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cedarpy

from millrace.access.actions import ACTIONS
from millrace.access.roles import ROLES
from millrace.contracts.errors import ContractError, ContractProblem

FOLDER = "policies"
SCHEMA = "schema.cedarschema"
SUFFIX = ".cedar"
# Texts and comments, in which a semicolon ends nothing.
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|;')
_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*')
_ID = re.compile(r'@id\("((?:[^"\\]|\\.)+)"\)')
# In the scope of a policy, which comes before its conditions, `resource is` stands once at most.
_SCOPE = re.compile(r"^[^{]*?\bresource is (\w+)\s*\)")
_RESOURCES = re.compile(r"\bresource: \[([^\]]*)\]")
_ROLE = re.compile(r'Role::"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Statement:
    """One policy as it stands in a file."""

    file: str
    line: int
    text: str

    @property
    def code(self) -> str:
        """Without comments."""
        return _COMMENT.sub(lambda match: match[1] or "", self.text)

    def problem(self, sentence: str) -> ContractProblem:
        """What is wrong with it."""
        return ContractProblem(f"{self.file}:{self.line}", "", sentence)


def compile_policies(schemas_dir: Path) -> dict[str, Any]:
    """Schema and policies as `access.cedar` takes them: `{"schema", "policies"}`; both empty without a folder.

    `policies` are by the kind of resource that they can be about: a decision takes as long as there are policies to look at.

    Raises:
        ContractError: with every problem of every file.
    """
    folder = schemas_dir / FOLDER
    if not folder.is_dir():
        return {"schema": "", "policies": {}}
    schema = (folder / SCHEMA).read_text(encoding="utf-8")
    try:
        cedarpy.Schema.from_str(schema)
    except ValueError as error:
        raise ContractError([ContractProblem(f"{FOLDER}/{SCHEMA}", "", str(error))]) from error
    found = list(statements(folder))
    problems = [*_actions(schema), *_of(found, schema)]
    if problems:
        raise ContractError(problems)
    kinds = sorted({kind for listed in _RESOURCES.findall(schema) for kind in re.findall(r"\w+", listed)})
    return {"schema": schema, "policies": {kind: _about(kind, found) for kind in kinds}}


def _about(kind: str, found: Iterable[Statement]) -> str:
    """The policies that can be about a kind of resource: all but those whose scope names another."""
    named = ((one, _SCOPE.search(one.code)) for one in found)
    return "\n\n".join(one.text for one, match in named if match is None or match[1] == kind)


def statements(folder: Path) -> Iterator[Statement]:
    """Every policy of every file, in the order of files and lines."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        text, start = path.read_text(encoding="utf-8"), 0
        ends = [match.end() for match in _PART.finditer(text) if match[0] == ";"]
        for end in (*ends, len(text)):
            part, at = text[start:end], start
            start = end
            code = _COMMENT.sub(lambda match: match[1] or " " * len(match[0]), part)
            if code.strip():
                begins = at + len(code) - len(code.lstrip())
                yield Statement(f"{FOLDER}/{path.name}", text.count("\n", 0, begins) + 1, part.strip())


def _of(found: list[Statement], schema: str) -> Iterator[ContractProblem]:
    known: dict[str, Statement] = {}
    for one in found:
        ids = _ID.findall(one.code)
        if len(ids) != 1:
            yield one.problem('needs one annotation @id("…"), by which a decision names it')
        for name in ids:
            if name in known:
                first = known[name]
                yield one.problem(f"@id {name} is that of {first.file}:{first.line} as well")
            known.setdefault(name, one)
        # Cedar takes any id of an entity: a slip in a role would be a policy for nobody.
        for role in sorted(set(_ROLE.findall(one.code)) - ROLES.keys()):
            yield one.problem(f'Role::"{role}" does not exist; roles are {", ".join(ROLES)}')
        try:
            cedarpy.PolicySet.from_str(one.text)
        except ValueError as error:
            yield one.problem(str(error))
            continue
        for fault in cedarpy.validate_policies(one.text, schema).errors:
            yield one.problem(fault.error.removeprefix(f"for policy `{fault.policy_id}`, "))
    unused = ROLES.keys() - {role for one in found for role in _ROLE.findall(one.code)}
    for role in sorted(unused):
        yield ContractProblem(FOLDER, "", f"no policy is about the role {role}")


def _actions(schema: str) -> Iterator[ContractProblem]:
    """Rights that no policy could speak of."""
    for right in ACTIONS:
        one = f'permit (principal, action == Action::"{right}", resource is Tenant);'
        if cedarpy.validate_policies(one, schema).errors:
            yield ContractProblem(f"{FOLDER}/{SCHEMA}", "", f"has no action {right} about a Tenant")
