"""From `schemas/fraud/rules.yaml` to the rulebook."""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from millrace.compiler.documents import yaml_file
from millrace.contracts.errors import ContractError, ContractProblem

HOURS = 24
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ORG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_SENTENCES = {
    "union_tag_invalid": "there is no such factor",
    "missing": "is missing",
    "extra_forbidden": "there is no such setting",
}


class _RulesPart(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Factor(_RulesPart):
    points: int = Field(ge=0, le=1000)


class _KnownFraud(_Factor):
    factor: Literal["known_fraud"]


class _HighAmount(_Factor):
    factor: Literal["high_amount"]
    threshold: float = Field(ge=0, allow_inf_nan=False)


class _CryptoPayment(_Factor):
    factor: Literal["crypto_payment"]
    methods: list[str] = Field(min_length=1)


class _HighRiskCountry(_Factor):
    factor: Literal["high_risk_country"]


class _LateNight(_Factor):
    factor: Literal["late_night"]
    from_: int = Field(ge=0, lt=HOURS, alias="from")
    until: int = Field(ge=0, le=HOURS)


class _Weekend(_Factor):
    factor: Literal["weekend"]
    days: list[str] = Field(min_length=1)


class _Velocity(_Factor):
    factor: Literal["velocity"]
    threshold: int = Field(ge=1, lt=200)
    minutes: int = Field(ge=1, le=120)


_AnyFactor = Annotated[
    _KnownFraud | _HighAmount | _CryptoPayment | _HighRiskCountry | _LateNight | _Weekend | _Velocity,
    Field(discriminator="factor"),
]


class _Class(_RulesPart):
    name: str = Field(alias="class", pattern=r"^[A-Z]{1,32}$")
    from_: int = Field(ge=0, alias="from")
    below: int | None = None


class _Country(_RulesPart):
    code: str = Field(pattern=r"^[A-Z]{2}$")
    names: list[str] = Field(min_length=1)


class _Rules(_RulesPart):
    name: Literal["fraud"]
    version: str = Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")
    factors: list[_AnyFactor] = Field(min_length=1)
    classes: list[_Class] = Field(min_length=1)
    countries: list[_Country]
    tenants: list[dict[str, Any]] = []


def compile_rulebook(schemas_dir: Path) -> dict[str, Any]:
    """The rules in force and those they have replaced, as `Rulebook` takes them.

    Raises:
        ContractError: with every problem of the files.
    """
    folder = schemas_dir / "fraud"
    document = compile_file(folder / "rules.yaml")
    superseded = [compile_file(path) for path in sorted(folder.glob("superseded/*.yaml"))]
    document["superseded"] = [
        found for old in superseded for found in (old["default"], *old["tenants"].values())
    ]
    versions = [old["default"]["version"] for old in superseded]
    if document["default"]["version"] in versions or len(set(versions)) != len(versions):
        raise ContractError([ContractProblem("fraud/superseded", "/version", "a version has two files")])
    return document


def compile_file(path: Path) -> dict[str, Any]:
    """The rulebook of one file: `{"default", "tenants", "superseded"}`.

    Raises:
        ContractError: with every problem of the file.
    """
    name = f"fraud/{path.name}"
    try:
        document = yaml_file(path, name)
    except OSError as error:
        raise ContractError([ContractProblem(name, "", f"cannot be read: {error.strerror}")]) from error
    if not isinstance(document, dict):
        raise ContractError([ContractProblem(name, "", "the rules are an object")])
    problems = [ContractProblem(name, pointer, sentence) for pointer, sentence in _problems(document)]
    if problems:
        raise ContractError(problems)
    default = _compiled(_Rules.model_validate(document))
    tenants = {}
    for index, override in enumerate(document.get("tenants") or []):
        at = f"/tenants/{index}"
        merged, org = _overridden(document, override), str(override.get("org", ""))
        wrong = [(f"{at}{pointer}", sentence) for pointer, sentence in _problems(merged)]
        if not _ORG.fullmatch(org) or org in tenants:
            wrong.append((f"{at}/org", "an override names its tenant, and each tenant once"))
        if unknown := sorted(set(override) - {"org", "factors", "classes", "countries"}):
            wrong.append((at, f"a tenant cannot override {', '.join(unknown)}"))
        problems += [ContractProblem(name, pointer, sentence) for pointer, sentence in wrong]
        if not wrong:
            found = _compiled(_Rules.model_validate(merged))
            tenants[org] = {**found, "version": f"{found['version']}+{org}"}
    if problems:
        raise ContractError(problems)
    return {"default": default, "tenants": tenants, "superseded": []}


def _overridden(document: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """The whole rules of a tenant: its factors are merged setting by setting, its lists replace."""
    merged = {**document, "tenants": []}
    for part in ("classes", "countries"):
        if part in override:
            merged[part] = override[part]
    given = override.get("factors") or []
    changes = {one.get("factor"): one for one in given if isinstance(one, dict)}
    factors = [{**one, **changes.pop(one["factor"], {})} for one in document["factors"]]
    merged["factors"] = [*factors, *changes.values()]
    return merged


def _problems(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    try:
        rules = _Rules.model_validate(document)
    except ValidationError as error:
        for found in error.errors():
            # The tag of a union stands in the path, but not in the file.
            path = [
                part
                for position, part in enumerate(found["loc"])
                if not (position == 2 and found["loc"][0] == "factors")
            ]
            yield "/" + "/".join(map(str, path)), _SENTENCES.get(found["type"], found["msg"])
        return
    yield from _repeated("/factors", [factor.factor for factor in rules.factors])
    yield from _repeated("/classes", [one.name for one in rules.classes])
    yield from _repeated("/countries", [one.code for one in rules.countries])
    for index, factor in enumerate(rules.factors):
        if isinstance(factor, _Weekend) and (unknown := sorted(set(factor.days) - set(WEEKDAYS))):
            yield f"/factors/{index}/days", f"no day is called {', '.join(unknown)}"
        if isinstance(factor, _LateNight) and factor.from_ == factor.until:
            yield f"/factors/{index}", "a night that ends when it begins has no hour"
        if isinstance(factor, _HighRiskCountry) and not rules.countries:
            yield "/countries", "the factor high_risk_country needs a list"
    yield from _class_problems(rules.classes)


def _repeated(pointer: str, names: list[str]) -> Iterator[tuple[str, str]]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield pointer, f"{name} stands here twice"


def _class_problems(classes: list[_Class]) -> Iterator[tuple[str, str]]:
    """Classes cover every score from 0 up, each exactly once."""
    ascending = sorted(classes, key=lambda one: one.from_)
    if ascending[0].from_ != 0:
        yield "/classes", f"no class has the scores below {ascending[0].from_}"
    for lower, upper in pairwise(ascending):
        if lower.below is None:
            yield "/classes", f"{lower.name} has no upper threshold (below), and {upper.name} lies above it"
        elif lower.below > upper.from_:
            yield "/classes", f"{lower.name} and {upper.name} overlap from {upper.from_} to {lower.below}"
        elif lower.below < upper.from_:
            yield "/classes", f"no class has the scores from {lower.below} to {upper.from_}"
    if ascending[-1].below is not None:
        yield "/classes", f"no class has the scores from {ascending[-1].below}"


def _compiled(rules: _Rules) -> dict[str, Any]:
    return {
        "version": rules.version,
        "factors": {factor.factor: _settings(factor) for factor in rules.factors},
        "classes": [{"class": one.name, "from": one.from_} for one in rules.classes],
        "countries": sorted({text.casefold() for one in rules.countries for text in (one.code, *one.names)}),
    }


def _settings(factor: Any) -> dict[str, Any]:
    match factor:
        case _LateNight():
            hours = range(factor.from_, factor.until + (HOURS if factor.until < factor.from_ else 0))
            return {"points": factor.points, "hours": sorted({hour % HOURS for hour in hours})}
        case _Weekend():
            return {"points": factor.points, "days": sorted(map(WEEKDAYS.index, factor.days))}
        case _CryptoPayment():
            methods = sorted({method.casefold() for method in factor.methods})
            return {"points": factor.points, "methods": methods}
        case _:
            settings: dict[str, Any] = factor.model_dump(exclude={"factor"})
            return settings
