"""From `schemas/fraud/rules.yaml` to the rulebook."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from millrace.compiler.documents import yaml_file
from millrace.compiler.sentences import meant, sentences
from millrace.contracts.errors import ContractError, ContractProblem

HOURS = 24
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ORG = r"^[a-z0-9][a-z0-9_-]{0,62}$"
_MEANINGS = {
    "version": "a version is major.minor.patch, such as 1.2.0",
    "class": "a class is in capitals, such as HIGH",
    "code": "a country is two capitals, such as KP",
    "org": "a tenant is in small letters, such as org_acme",
    "name": "these rules are called fraud",
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


class _Override(_RulesPart):
    """What a tenant has otherwise; the parts are judged as they stand in its whole rules."""

    org: str = Field(pattern=_ORG)
    factors: list[dict[str, Any]] | None = None
    classes: list[Any] | None = None
    countries: list[Any] | None = None


def compile_rulebook(schemas_dir: Path) -> dict[str, Any]:
    """The rules in force and those they have replaced, as `Rulebook` takes them.

    Raises:
        ContractError: with every problem of the files.
    """
    folder = schemas_dir / "fraud"
    document = compile_file(folder / "rules.yaml")
    superseded = [compile_file(path) for path in sorted(folder.glob("superseded/*.yaml"))]
    document["superseded"] = [
        rules for old in superseded for rules in (old["default"], *old["tenants"].values())
    ]
    versions = [old["default"]["version"] for old in superseded]
    if document["default"]["version"] in versions or len(set(versions)) != len(versions):
        raise ContractError(
            [
                ContractProblem(
                    "fraud/superseded",
                    "/version",
                    f"a version has two files: raise that of fraud/rules.yaml above {document['default']['version']}",
                )
            ]
        )
    return document


def compile_file(path: Path) -> dict[str, Any]:
    """The rulebook of one file: `{"default", "tenants", "superseded"}`.

    Raises:
        ContractError: with every problem of the file.
    """
    name = f"fraud/{'superseded/' if path.parent.name == 'superseded' else ''}{path.name}"
    document = yaml_file(path, name)
    if not isinstance(document, dict):
        raise ContractError([ContractProblem(name, "", "the rules are an object, as docs/fraud.md shows")])
    problems = [ContractProblem(name, pointer, sentence) for pointer, sentence in _problems(document)]
    if problems:
        raise ContractError(problems)
    default = _compiled(_Rules.model_validate(document))
    tenants: dict[str, dict[str, Any]] = {}
    for index, override in enumerate(document.get("tenants") or []):
        wrong = [*_override_problems(document, override, tenants)]
        problems += [
            ContractProblem(name, f"/tenants/{index}{pointer}", sentence) for pointer, sentence in wrong
        ]
        if not wrong:
            rules = _compiled(_Rules.model_validate(_overridden(document, override)))
            tenants[override["org"]] = {**rules, "version": f"{rules['version']}+{override['org']}"}
    if problems:
        raise ContractError(problems)
    return {"default": default, "tenants": tenants, "superseded": []}


def _override_problems(
    document: Mapping[str, Any], override: Any, known: Iterable[str]
) -> Iterator[tuple[str, str]]:
    try:
        org = _Override.model_validate(override).org
    except ValidationError as error:
        yield from sentences(error, override, _Override, _MEANINGS)
        return
    if org in known:
        yield "/org", f"{org} stands here twice: an override holds all that differs for its tenant"
    merged = _overridden(document, override)
    places = {one.get("factor"): place for place, one in enumerate(override.get("factors") or [])}
    for pointer, sentence in _problems(merged):
        head, _, rest = pointer.removeprefix("/factors/").partition("/")
        if (
            pointer.startswith("/factors/")
            and (factor := merged["factors"][int(head)].get("factor")) in places
        ):
            # Where it stands among those of the override.
            yield f"/factors/{places[factor]}{rest and '/'}{rest}", sentence
        else:
            yield pointer, sentence


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
        yield from sentences(error, document, _Rules, _MEANINGS)
        return
    yield from _repeated("/factors", [factor.factor for factor in rules.factors])
    yield from _repeated("/classes", [one.name for one in rules.classes])
    yield from _repeated("/countries", [one.code for one in rules.countries])
    for index, factor in enumerate(rules.factors):
        if isinstance(factor, _Weekend) and (unknown := sorted(set(factor.days) - set(WEEKDAYS))):
            yield (
                f"/factors/{index}/days",
                f"no day is called {', '.join(unknown)}{meant(unknown[0], WEEKDAYS)}",
            )
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
