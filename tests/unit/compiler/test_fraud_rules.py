"""A rules file that is wrong is refused at build, with every problem and where it is."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from millrace.compiler.fraud_rules import compile_file, compile_rulebook
from millrace.contracts.errors import ContractError
from millrace.core.errors import PermanentError
from millrace.fraud.rulebook import Rulebook
from millrace.fraud.rules import TransactionFacts

RULES = Path(__file__).parents[3] / "schemas/fraud/rules.yaml"
PARSED: dict[str, Any] = yaml.safe_load(RULES.read_text())
Change = Callable[[dict[str, Any]], Any]


def write(folder: Path, change: Change | None = None, name: str = "rules.yaml") -> Path:
    document = deepcopy(PARSED)
    if change is not None:
        change(document)
    path = folder / "fraud" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document))
    return path


def without(document: dict[str, Any], factor: int, setting: str) -> None:
    del document["factors"][factor][setting]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda d: d["factors"].append({"factor": "moon_phase", "points": 5}),
            "/factors/7: there is no such factor",
        ),
        (lambda d: without(d, 1, "threshold"), "/factors/1/threshold: is missing"),
        (lambda d: without(d, 6, "threshold"), "/factors/6/threshold: is missing"),
        (lambda d: without(d, 0, "points"), "/factors/0/points: is missing"),
        (lambda d: d["factors"].append(d["factors"][0]), "/factors: known_fraud stands here twice"),
        (lambda d: d["factors"][0].update(weight=2), "/factors/0/weight: there is no such setting"),
        (lambda d: d["factors"][0].update(points=-5), "/factors/0/points: "),
        (lambda d: d["factors"][0].update(points=2.5), "/factors/0/points: "),
        (lambda d: d["factors"][1].update(threshold=float("nan")), "/factors/1/threshold: "),
        (lambda d: d["factors"][1].update(threshold="much"), "/factors/1/threshold: "),
        (lambda d: d["factors"][4].update(until=23), "/factors/4: a night that ends when it begins"),
        (lambda d: d["factors"][5].update(days=["sonntag"]), "/factors/5/days: no day is called sonntag"),
        (lambda d: d["classes"][1].update(below=80), "/classes: HIGH and CRITICAL overlap from 75 to 80"),
        (lambda d: d["classes"][1].update(below=70), "/classes: no class has the scores from 70 to 75"),
        (lambda d: d["classes"][1].pop("below"), "/classes: HIGH has no upper threshold"),
        (lambda d: d["classes"][0].pop("from"), "/classes/0/from: is missing"),
        (lambda d: d["classes"][0].update(below=100), "/classes: no class has the scores from 100"),
        (lambda d: d["classes"].pop(), "/classes: no class has the scores below 10"),
        (lambda d: d.update(countries=[]), "/countries: the factor high_risk_country needs a list"),
        # In YAML an unquoted NO is false: Norway must not vanish from a list.
        (lambda d: d["countries"].append({"code": False, "names": ["Norway"]}), "/countries/3/code: "),
        (lambda d: d.update(version="2"), "/version: "),
        (lambda d: d.pop("version"), "/version: is missing"),
        (lambda d: d.update(surprise=1), "/surprise: there is no such setting"),
        (
            lambda d: d["tenants"].append({"org": "org_a", "factors": [{"factor": "luck", "points": 1}]}),
            "/tenants/0/factors/0: there is no such factor",
        ),
        (lambda d: d["tenants"].append({"factors": []}), "/tenants/0/org: "),
        (
            lambda d: d["tenants"].append({"org": "org_a", "name": "x"}),
            "/tenants/0/name: there is no such setting",
        ),
    ],
)
def test_wrong_rules_do_not_build(tmp_path: Path, change: Change, text: str) -> None:
    with pytest.raises(ContractError) as caught:
        compile_file(write(tmp_path, change))
    assert f"fraud/rules.yaml {text}" in str(caught.value)


def test_text_that_is_no_yaml_or_no_object_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    for text in ("factors: [", "- 1", ""):
        path.write_text(text)
        with pytest.raises(ContractError):
            compile_file(path)
    with pytest.raises(ContractError, match="cannot be read"):
        compile_file(tmp_path / "absent.yaml")


def test_a_tenant_overrides_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    override = {"org": "org_globex", "factors": [{"factor": "high_amount", "threshold": 100}]}
    path = write(tmp_path, lambda document: document["tenants"].append(override))
    book = Rulebook(compile_file(path))
    facts = TransactionFacts(amount=200.0, velocity=6)
    assert book.of("org_acme").judge(facts).score == 25
    assert book.of("org_globex").judge(facts).score == 55
    assert book.of("org_globex").version == "1.0.0+org_globex"
    assert book.version("1.0.0+org_globex").digest != book.default.digest


def test_replaced_versions_stay_readable_and_none_stands_twice(tmp_path: Path) -> None:
    write(tmp_path, lambda document: document.update(version="2.0.0"))
    write(tmp_path, name="superseded/1.0.0.yaml")
    book = Rulebook(compile_rulebook(tmp_path))
    assert book.default.version == "2.0.0"
    assert book.version("1.0.0").version == "1.0.0"
    with pytest.raises(PermanentError, match=r"no fraud rules of version 3\.0\.0"):
        book.version("3.0.0")
    write(tmp_path)
    with pytest.raises(ContractError, match="two files"):
        compile_rulebook(tmp_path)
