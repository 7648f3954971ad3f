"""From `schemas/sigma/*.yml`, rules in Sigma's public format, to what the stream and the lake ask of events. Build only.

`schemas/sigma/SHA256SUMS` pins what each version of each rule matches (`compiler/pins.py`). Sigma has no versions: `version` is ours.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule, SigmaRuleBase

from millrace.compiler import pins
from millrace.compiler.definitions import check_pins
from millrace.compiler.documents import yaml_file
from millrace.compiler.patterns import Types
from millrace.compiler.sigma.correlations import Base, pattern
from millrace.compiler.sigma.detections import compile_detection
from millrace.compiler.sigma.sources import FILE, FOLDER, Source, Sources
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError, ContractProblem, Findings
from millrace.contracts.pointers import write
from millrace.sigma.line_rules import SOURCES, names, source_of
from millrace.sigma.line_source import LineSource

# What decides what a rule matches and raises; the rest is for people.
MEANING = ("logsource", "detection", "correlation", "subject", "level")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
_DEFAULT_VERSION = "1.0.0"
_DEFAULT_LEVEL = "medium"
_DEFAULT_OWNER = "security"
Rule = TypeVar("Rule", SigmaRule, SigmaCorrelationRule)


@dataclass(slots=True)
class _Compiled:
    """What compiles, by the name of its file: rules, those of them that raise no alerts of their own, patterns of correlations, pins."""

    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    patterns: dict[str, dict[str, Any]] = field(default_factory=dict)
    pinned: dict[str, pins.Pinned] = field(default_factory=dict)


def compile_rules(
    schemas_dir: Path, contracts: Iterable[Contract], *, pinned: bool = True
) -> dict[str, list[dict[str, Any]]]:
    """Every rule by the name of its file: `rules`, as `millrace.sigma.rules` reads them, and `patterns`, of correlations.

    Those that are asked of lines of a log stand apart: `auditRules` and `auditPatterns`, `gatewayRules` and `gatewayPatterns`.

    Args:
        schemas_dir: the folder with `sigma/`.
        contracts: of all events.
        pinned: whether each rule must be the one that its version has pinned.

    Raises:
        ContractError: with every problem of every file, and with what cannot be compiled.
    """
    found = _compile(schemas_dir, contracts)
    if pinned:
        check_pins(found.pinned, schemas_dir / FOLDER)
    told = [one for name, one in found.rules.items() if name not in found.silent]
    patterns = [*found.patterns.values()]
    found_of = {"rules": _of(None, told), "patterns": _of(None, patterns)}
    for source in SOURCES:
        rules_name, patterns_name = names(source)
        found_of |= {rules_name: _of(source, told), patterns_name: _of(source, patterns)}
    return found_of


def _of(source: LineSource | None, compiled: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in compiled if source_of(one) is source]


def compile_file(path: Path, schemas_dir: Path, contracts: Iterable[Contract]) -> dict[str, Any]:
    """One rule, as functions read it, or the pattern of a correlation, wherever its file lies and whatever is pinned.

    Args:
        path: of the file; it stands in the place of one that has its name.
        schemas_dir: the folder with `sigma/`, with the rules that a correlation may refer to.
        contracts: of all events.

    Raises:
        ContractError: with every problem of the file, or of those beside it.
    """
    found = _compile(schemas_dir, contracts, path)
    return found.rules.get(path.stem) or found.patterns[path.stem]


def pin(schemas_dir: Path, contracts: Iterable[Contract], kept: Container[str] | None = None) -> list[str]:
    """Pins the versions that are new or still being written, and returns their names; the arguments are as for aggregates.

    Raises:
        ContractError: a rule is wrong, or has changed under a version whose pin stays.
    """
    found, folder = _compile(schemas_dir, contracts).pinned, schemas_dir / FOLDER
    added = pins.pin(found.values(), folder, kept)
    check_pins(found, folder)
    return added


def _compile(schemas_dir: Path, contracts: Iterable[Contract], further: Path | None = None) -> _Compiled:
    folder, listed = schemas_dir / FOLDER, [*contracts]
    files = {path.stem: path for path in sorted(folder.glob("*.yml"))}
    if further is not None:
        files[further.stem] = further
    if not files:
        return _Compiled()
    sources = Sources(yaml_file(schemas_dir / FILE, FILE), listed)
    problems: list[ContractProblem] = []
    bases: dict[str, Base] = {}
    correlations: dict[str, Any] = {}
    found = _Compiled()
    for path in files.values():
        name = f"{FOLDER}/{path.name}"
        try:
            document = yaml_file(path, name)
            if isinstance(document, dict) and "correlation" in document:
                correlations[path.stem] = document
            else:
                bases[path.stem] = _compiled(document, name, sources)
                found.pinned[name] = _pinned(document, path.stem)
        except ContractError as error:
            problems += error.problems
    problems += _repeated(one for one, _ in bases.values())
    if not problems:
        types, known = Types([*listed, *(one.contract for one in SOURCES)]), _by_name(bases)
        for stem, document in correlations.items():
            try:
                one = _correlated(document, stem, schemas_dir, known, types, found.silent)
            except ContractError as error:
                problems += error.problems
                continue
            found.patterns[stem] = one
            # What its rules match decides what it finds.
            steps = [{"events": step["events"], "where": step["where"]} for step in one["steps"]]
            found.pinned[f"{FOLDER}/{stem}.yml"] = _pinned(document, stem, steps)
    if problems:
        raise ContractError(problems)
    found.rules = {name: one for name, (one, _) in bases.items()}
    return found


def _pinned(document: Mapping[str, Any], name: str, more: Any = None) -> pins.Pinned:
    meaning = {part: document.get(part) for part in MEANING}
    return name, str(document.get("version", _DEFAULT_VERSION)), pins.digest([meaning, more])


def _by_name(bases: Mapping[str, Base]) -> dict[str, Base]:
    """By what a correlation may call them: file, Sigma's name, id."""
    return {
        key: one
        for one in bases.values()
        for key in (one[0]["name"], one[0]["sigma_name"], one[0]["id"])
        if key
    }


def _correlated(
    document: Any, stem: str, schemas_dir: Path, known: Mapping[str, Base], types: Types, silent: set[str]
) -> dict[str, Any]:
    findings = Findings(f"{FOLDER}/{stem}.yml")
    rule = _parsed(document, findings, SigmaCorrelationRule)
    findings.check()
    if (schemas_dir / "patterns" / f"{stem}.yaml").exists():
        findings.report("", f"a pattern is called {stem} already")
    compiled = pattern(rule, _head(rule, document, stem), known, types, findings.report)
    findings.check()
    if not rule.generate:
        silent |= {known[one.reference][0]["name"] for one in rule.rules or ()}
    return compiled or {}


def compile_document(document: Any, file: str, sources: Sources) -> dict[str, Any]:
    """One rule.

    Args:
        document: of its file.
        file: its path below `schemas/`.
        sources: that it may name.

    Raises:
        ContractError: with every problem of it, and with what cannot be compiled.
    """
    return _compiled(document, file, sources)[0]


def _compiled(document: Any, file: str, sources: Sources) -> Base:
    findings = Findings(file)
    rule = _parsed(document, findings, SigmaRule)
    findings.check()
    source = sources.of(document["logsource"])
    if isinstance(source, str):
        raise ContractError([ContractProblem(file, "/logsource", source)])
    where = _where(rule, source, document, findings)
    subject = document.get("subject")
    if subject is not None and source.column(str(subject)) is None:
        findings.report("/subject", source.problem(str(subject)))
    findings.check()
    compiled = {
        **_head(rule, document, Path(file).stem),
        "id": str(rule.id),
        "sigma_name": rule.name or "",
        "subject": source.column(str(subject)) if subject else "",
        "where": where,
    }
    return compiled, source


def _head(rule: SigmaRuleBase, document: Mapping[str, Any], name: str) -> dict[str, str]:
    return {
        "name": name,
        "title": rule.title,
        "description": rule.description or rule.title,
        "level": rule.level.name.lower() if rule.level else _DEFAULT_LEVEL,
        "owner": str(document.get("owner", _DEFAULT_OWNER)),
        "version": str(document.get("version", _DEFAULT_VERSION)),
    }


def _parsed(document: Any, findings: Findings, of: type[Rule]) -> Rule:
    try:
        rule = of.from_dict(document, collect_errors=True)
    except Exception as error:  # pySigma takes the types of values for granted
        findings.report("", f"pySigma cannot read it: {type(error).__name__}: {error}")
        findings.check()
        raise
    for one in rule.errors:
        findings.report(_about(one, document), _sentence(one))
    if not _VERSION.fullmatch(str(document.get("version", _DEFAULT_VERSION))):
        findings.report("/version", "a version is major.minor.patch, such as 1.2.0")
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
