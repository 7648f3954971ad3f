"""From `schemas/sigma/*.yml`, rules in Sigma's public format, to what the stream and the lake ask of events. Build only."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from millrace.compiler.documents import yaml_file
from millrace.compiler.sigma.detections import compile_detection
from millrace.compiler.sigma.sources import FILE, Source, Sources
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError, ContractProblem, Findings
from millrace.contracts.pointers import write

FOLDER = "sigma"
_DEFAULT_LEVEL = "medium"
_DEFAULT_OWNER = "security"


def compile_rules(schemas_dir: Path, contracts: Iterable[Contract]) -> dict[str, list[dict[str, Any]]]:
    """Every rule by the name of its file, as `millrace.sigma.rules` reads it: `{"rules": [...]}`.

    Args:
        schemas_dir: the folder with `sigma/`.
        contracts: of all events.

    Raises:
        ContractError: with every problem of every file, and with what cannot be compiled.
    """
    folder = schemas_dir / FOLDER
    files = sorted(folder.glob("*.yml"))
    if not files:
        return {"rules": []}
    sources = Sources(yaml_file(schemas_dir / FILE, FILE), contracts)
    problems: list[ContractProblem] = []
    rules: list[dict[str, Any]] = []
    for path in files:
        try:
            name = f"{FOLDER}/{path.name}"
            rules.append(compile_document(yaml_file(path, name), name, sources))
        except ContractError as error:
            problems += error.problems
    problems += _repeated(rules)
    if problems:
        raise ContractError(problems)
    return {"rules": rules}


def compile_document(document: Any, file: str, sources: Sources) -> dict[str, Any]:
    """One rule.

    Args:
        document: of its file.
        file: its path below `schemas/`.
        sources: that it may name.

    Raises:
        ContractError: with every problem of it, and with what cannot be compiled.
    """
    findings = Findings(file)
    rule = _parsed(document, findings)
    findings.check()
    source = sources.of(document["logsource"])
    where = {}
    if isinstance(source, str):
        findings.report("/logsource", source)
    else:
        where = _where(rule, source, document, findings)
        subject = document.get("subject")
        if subject is not None and source.column(str(subject)) is None:
            findings.report("/subject", source.problem(str(subject)))
    findings.check()
    return {
        "name": Path(file).stem,
        "id": str(rule.id),
        "title": rule.title,
        "description": rule.description or "",
        "level": rule.level.name.lower() if rule.level else _DEFAULT_LEVEL,
        "owner": str(document.get("owner", _DEFAULT_OWNER)),
        "subject": source.column(subject) if isinstance(source, Source) and subject else "",
        "where": where,
    }


def _parsed(document: Any, findings: Findings) -> SigmaRule:
    try:
        rule = SigmaRule.from_dict(document, collect_errors=True)
    except Exception as error:  # pySigma takes the types of values for granted
        findings.report("", f"pySigma cannot read it: {type(error).__name__}: {error}")
        findings.check()
        raise
    for one in rule.errors:
        findings.report(_about(one, document), _sentence(one))
    if not document.get("id"):
        findings.report("", "a rule needs an id: its alerts are known by it")
    return rule


def _where(
    rule: SigmaRule, source: Source, document: Mapping[str, Any], findings: Findings
) -> dict[str, Any]:
    said = rule.detection.condition
    if len(said) != 1:
        findings.report("/detection/condition", "a rule has one condition: write a rule for each")
        return {}

    def report(field: str, sentence: str) -> None:
        findings.report(_place(document["detection"], field), sentence)

    try:
        return compile_detection(rule.detection.parsed_condition[0].parsed, source, report)
    except SigmaError as error:
        findings.report("/detection/condition", _sentence(error))
        return {}


def _place(detection: Mapping[str, Any], field: str) -> str:
    """Where a field stands in a detection, as a JSON pointer; where its condition stands, without one."""
    found = (path for path, key in _keys(detection, ("detection",)) if key.partition("|")[0] == field)
    return write(next(found, ("detection", "condition")))


def _keys(part: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    pairs = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in pairs:
        if isinstance(key, str):
            yield (*path, key), key
        yield from _keys(value, (*path, key))


def _about(error: SigmaError, document: Mapping[str, Any]) -> str:
    """The part of a rule that pySigma has an error of, by the error's name: SigmaLevelError is about the level."""
    part = type(error).__name__.removeprefix("Sigma").removesuffix("Error").lower()
    if part in ("modifier", "condition", "type", "value", "regularexpression"):
        part = "detection"
    return f"/{part}" if part in document else ""


def _sentence(error: SigmaError) -> str:
    return " ".join(str(error).split())


def _repeated(rules: Iterable[Mapping[str, Any]]) -> Iterator[ContractProblem]:
    names: dict[str, str] = {}
    for one in rules:
        if one["id"] in names:
            yield ContractProblem(f"{FOLDER}/{one['name']}.yml", "/id", f"{names[one['id']]} has this id")
        names.setdefault(one["id"], one["name"])
