"""What `millrace contracts announce` writes: the end of a major into its file, and the record of the decision."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from cli.errors import RefusedError, UsageError
from millrace.compiler import publications, retirements
from millrace.compiler.documents import FastLoader, parse_document
from millrace.compiler.event_contracts import file_of
from millrace.contracts.contract import Contract
from millrace.contracts.retirement import Retirement
from millrace.core import clock

PROPERTY = "retirement"
Readers = Callable[[Contract], list[dict[str, str]]]


def announce(
    root: Path,
    contracts: Sequence[Contract],
    event_type: str,
    major: int,
    ends: str,
    decision: str,
    readers: Readers,
) -> list[Contract]:
    """Writes the end of each older major of a type that has none yet, or has one in favour of the same major.

    Args:
        root: the checkout.
        contracts: of the checkout.
        event_type: such as `order.created`.
        major: what replaces them.
        ends: first UTC day on which they are refused.
        decision: path of the record; a missing file is made from a template.
        readers: the consumers of a contract.

    Returns:
        The contracts with their new end.

    Raises:
        UsageError: there is no such type, or the day or the path is none.
        RefusedError: there is no such major, nothing ends by it, or the gate would refuse the end.
    """
    schemas = root / "schemas"
    today = clock.now().date()
    changes = []
    for contract in _ending(contracts, event_type, major):
        known = contract.retirement
        end = _read(known.announced if known is not None else today, ends, major, decision)
        if reasons := list(retirements.differences(known, end, today)):
            raise RefusedError(f"{contract.name}: {'; '.join(reasons)}")
        ended, path = replace(contract, retirement=end), file_of(contract, schemas)
        text = path.read_text(encoding="utf-8")
        changes.append((ended, path, with_end(text, end, next_version(contract, schemas))))
    for ended, path, text in changes:
        if ended not in contracts:
            path.write_text(text, encoding="utf-8")
    if not (file := root / decision).exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(record(one, readers(one)) for one, _, _ in changes), encoding="utf-8")
    return [ended for ended, _, _ in changes]


def _ending(contracts: Sequence[Contract], event_type: str, major: int) -> list[Contract]:
    majors = {one.major: one for one in contracts if one.event_type == event_type}
    if not majors:
        raise UsageError(f"no contract describes {event_type}")
    if major not in majors:
        raise RefusedError(f"{event_type} has no version {major}: write its contract, v{major}.yaml, first")
    older = [
        one
        for number, one in majors.items()
        if number < major and (one.retirement is None or one.retirement.by == major)
    ]
    if not older:
        raise RefusedError(f"{event_type} has no older version that ends in favour of version {major}")
    return older


def _read(announced: date, ends: str, by: int, decision: str) -> Retirement:
    value = {"announced": announced.isoformat(), "ends": ends, "by": by, "decision": decision}
    try:
        return retirements.read(value)
    except ValueError as error:
        raise UsageError(str(error)) from error


def with_end(text: str, end: Retirement, version: str) -> str:
    """The text of a contract's file with an announced end and another version; all else stays as it was written.

    Raises:
        RefusedError: the file is not written as our files are; it says what to write by hand.
    """
    line = f"- {{property: {PROPERTY}, value: {_flow(end.to_json())}}}"
    changed = with_version(_replaced(text, line), version)
    if _document(changed) != _expected(_document(text), end, version):
        raise RefusedError(
            f"the file is not written line by line: raise its version to {version} and add to customProperties: {line}"
        )
    return changed


def with_version(text: str, version: str) -> str:
    """The text of a contract's file with another version; all else stays as it was written."""
    return re.sub(r"^version:[ \t]+[^\s#]+", f"version: {version}", text, count=1, flags=re.MULTILINE)


def _replaced(text: str, item: str) -> str:
    """The text with the item as the last custom property, or in the place of the one that is there."""
    lines = text.splitlines()
    begin = next((at for at, line in enumerate(lines) if line.startswith("customProperties:")), len(lines))
    end = next((at for at in range(begin + 1, len(lines)) if lines[at][:1].isalpha()), len(lines))
    items = [at for at in range(begin + 1, end) if lines[at].lstrip().startswith("- ")]
    if not items:
        return text
    indented = lines[items[0]].partition("-")[0] + item
    known = next((at for at in items if f"{{property: {PROPERTY}," in lines[at]), None)
    if known is not None:
        lines[known] = indented
    else:
        content = [
            at for at in range(begin, end) if lines[at].strip() and not lines[at].lstrip().startswith("#")
        ]
        lines.insert(content[-1] + 1, indented)
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).strip()
    # A day is a text to our parser, in quotes or not.
    return re.sub(r"'([0-9]{4}-[0-9]{2}-[0-9]{2})'", r"\1", text)


def _document(text: str) -> Any:
    return parse_document(text.encode(), "the contract", FastLoader)


def _expected(document: dict[str, Any], end: Retirement, version: str) -> dict[str, Any]:
    value = {"property": PROPERTY, "value": end.to_json()}
    items = [value if one["property"] == PROPERTY else one for one in document["customProperties"]]
    if value not in items:
        items.append(value)
    return {**document, "version": version, "customProperties": items}


def next_version(contract: Contract, schemas: Path) -> str:
    """The version under which a change of the contract is published: its fields stay, so it is the next patch."""
    major, minor, patch = map(int, contract.version.split("."))
    while (schemas / publications.FOLDER / contract.event_type / f"{major}.{minor}.{patch}.json").exists():
        patch += 1
    return f"{major}.{minor}.{patch}"


def record(contract: Contract, consumers: list[dict[str, str]]) -> str:
    """A first text of the decision record of a contract that ends, for people to complete."""
    end = contract.retirement
    assert end is not None  # noqa: S101  the caller has just set it
    listed = "\n".join(f"- {one['name']} ({one['contact']})" for one in consumers) or "- none known"
    return f"""# {contract.event_type}: version {end.by} replaces version {contract.major}

**Context.** What version {contract.major} cannot express, and who needs it.

**Decision.** Both versions are accepted until {end.ends} (UTC); from then on events of version {contract.major} are refused.
What differs in version {end.by}.

**Consumers** on {clock.now().date()}:

{listed}

**Cost.** What each of them has to change.
"""
