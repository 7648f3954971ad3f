"""Patterns are compiled, or refused with a sentence that says what to write."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from millrace.compiler import pins
from millrace.compiler.event_contracts import compile_contracts
from millrace.compiler.patterns import compile_file, compile_patterns, pin
from millrace.compiler.places import at_line
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError
from millrace.patterns.definition import Pattern

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "schemas" / "patterns"
Change = Callable[[dict[str, Any]], object]


@cache
def contracts() -> tuple[Contract, ...]:
    return tuple(compile_contracts(ROOT / "schemas"))


def problems(tmp_path: Path, name: str, change: Change) -> list[str]:
    document = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text())
    change(document)
    path = tmp_path / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    with pytest.raises(ContractError) as raised:
        compile_file(path, contracts())
    return [at_line(one, path) for one in raised.value.problems]


def test_the_shipped_ones_compile_and_are_pinned() -> None:
    found = {one["name"]: Pattern.from_json(one) for one in compile_patterns(ROOT / "schemas", contracts())}
    assert set(found) == {path.stem for path in SHIPPED.glob("*.yaml")}
    cards = found["card_testing"]
    assert [step.count for step in cards.steps] == [5, 1]
    assert cards.steps[0].kept == cards.steps[1].kept == ("device_id",)
    assert cards.quiet == cards.within
    assert found["checkout_left"].missing is not None
    assert not found["checkout_left"].keeps_state


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("card_testing", lambda one: one.update(severity="loud"), "info, warning, critical"),
        ("card_testing", lambda one: one.update(within="8d"), "at least 1m and at most 7d"),
        ("card_testing", lambda one: one.update(within="soon"), "a span is a whole number of m, h or d"),
        ("card_testing", lambda one: one.update(by="usr"), "events are joined by user, session, correlation"),
        ("card_testing", lambda one: one["steps"].pop(), "a sequence has at least two steps"),
        ("card_testing", lambda one: one["steps"][1].update(name="failed"), "two steps are called failed"),
        (
            "card_testing",
            lambda one: one["steps"][0].update(event="payment.faild"),
            "no contract describes payment.faild; did you mean payment.failed?",
        ),
        (
            "card_testing",
            lambda one: one["steps"][0].update(where=[{"field": "reson", "equals": "x"}]),
            "there is no field reson in payment.failed/1.0.0; did you mean reason?",
        ),
        (
            "card_testing",
            lambda one: one["steps"][0].update(where=[{"field": "user_key", "equals": "usr_1"}]),
            "user_key of payment.failed holds users, who are numbers in what is stored",
        ),
        (
            "card_testing",
            lambda one: one["steps"][0].update(where=[{"field": "amount", "startsWith": "1"}]),
            "amount is a decimal, and startsWith is of texts",
        ),
        (
            "card_testing",
            lambda one: one["steps"][1].update(different={"device": "failed.device_id"}),
            "payment.captured has no field device; did you mean device_id?",
        ),
        (
            "card_testing",
            lambda one: one["steps"][1].update(different={"device_id": "failed.amount"}),
            "device_id is a string and failed.amount a decimal: they are never the same",
        ),
        (
            "card_testing",
            lambda one: one["steps"][1].update(same={"device_id": "paid.device_id"}),
            "paid is no earlier step; earlier are failed",
        ),
        ("card_testing", lambda one: one.update(by={"entity": "session"}), "has no entity session"),
        (
            "card_testing",
            lambda one: one.update(by={"field": "amount"}),
            "and a key is a text or a whole number",
        ),
        ("card_testing", lambda one: one.update(pattern="count"), "a count has one step"),
        ("order_without_completion", lambda one: one.pop("missing"), "an absence says what does not come"),
        (
            "order_without_completion",
            lambda one: one.update(pattern="count"),
            "only an absence misses a step, and this is a count",
        ),
        (
            "order_without_completion",
            lambda one: one.update(by={"field": "order_id"}),
            "there is no index of fields",
        ),
        (
            "order_without_completion",
            lambda one: one.update(by="session"),
            "order.completed/1.0.0 has no index session: add it to its indexes, or join by one of",
        ),
        (
            "checkout_left",
            lambda one: one["missing"].update(where=[{"field": "x", "present": True}]),
            "fields of any event are not known",
        ),
        (
            "checkout_left",
            lambda one: one.update(by={"entity": "cart"}),
            "any event can be asked for by user and session only",
        ),
        (
            "card_testing",
            lambda one: one["steps"][0].update(where=[{"field": "amount", "atMost": 0}]),
            "no payment.failed ever meets this: amount is at least -1000000000000 and above 0 and at most",
        ),
        (
            "order_without_completion",
            lambda one: one["missing"].update(
                where=[{"field": "order_id", "equals": name} for name in ("a", "b")]
            ),
            "no order.completed ever meets this: the conditions on order_id exclude each other",
        ),
        (
            "card_testing",
            lambda one: one["steps"][0].update(distinct="card"),
            "payment.failed/1.0.0 has no field card",
        ),
        (
            "card_testing",
            lambda one: one["steps"][0].update(distinct="amount"),
            "/steps/0/distinct: amount is a decimal in payment.failed/1.0.0, and what is counted is a text or a whole number",
        ),
        (
            "card_testing",
            lambda one: one["steps"][1].update(distinct="device_id"),
            "events of a step differ where there are several: add count",
        ),
        ("card_testing", lambda one: one.update(step=[]), "there is no such setting; did you mean steps?"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, name: str, change: Change, said: str) -> None:
    found = problems(tmp_path, name, change)
    assert any(said in one for one in found), found
    assert all(f"{name}.yaml:" in one for one in found)


def copied(tmp_path: Path, **changes: Change) -> Path:
    """The shipped patterns, some of them changed, all of them pinned as they are."""
    shutil.copytree(SHIPPED, tmp_path / "patterns")
    for name, change in changes.items():
        path = tmp_path / "patterns" / f"{name}.yaml"
        document = yaml.safe_load(path.read_text())
        change(document)
        path.write_text(yaml.safe_dump(document, sort_keys=False))
    return tmp_path


def test_a_pattern_that_meets_its_own_alert_is_refused(tmp_path: Path) -> None:
    schemas = copied(tmp_path, pacing_alert_unacknowledged=lambda one: one["steps"][0].pop("where"))
    with pytest.raises(ContractError, match="meet the alerts that it raises itself"):
        compile_patterns(schemas, contracts())


def test_a_pattern_that_meets_the_storm_of_its_alerts_is_refused(tmp_path: Path) -> None:
    def storms(*more: dict[str, Any]) -> Change:
        where = [{"field": "kind", "equals": "storm"}, *more]
        return lambda one: one["steps"][0].update(where=where)

    with pytest.raises(ContractError, match="meet the alerts that it raises itself"):
        compile_patterns(copied(tmp_path / "own", pacing_alert_unacknowledged=storms()), contracts())
    others = storms({"field": "rule_id", "equals": "card_testing"})
    with pytest.raises(ContractError, match="give it a new version"):
        compile_patterns(copied(tmp_path / "others", pacing_alert_unacknowledged=others), contracts())


def test_two_patterns_that_meet_each_others_alerts_are_refused(tmp_path: Path) -> None:
    def of(rule: str) -> Change:
        return lambda one: one["steps"][0].update(where=[{"field": "rule_id", "equals": rule}])

    other = yaml.safe_load((SHIPPED / "pacing_alert_unacknowledged.yaml").read_text())
    other["name"] = "other"
    other["steps"][0]["where"] = [{"field": "rule_id", "equals": "pacing_alert_unacknowledged"}]
    schemas = copied(tmp_path, pacing_alert_unacknowledged=of("other"))
    (schemas / "patterns" / "other.yaml").write_text(yaml.safe_dump(other))
    with pytest.raises(ContractError) as raised:
        compile_patterns(schemas, contracts())
    assert len(raised.value.problems) == 2


def test_a_changed_pattern_needs_a_new_version(tmp_path: Path) -> None:
    schemas = copied(tmp_path, card_testing=lambda one: one.update(within="2h", description="longer"))
    with pytest.raises(ContractError, match="give it a new version"):
        compile_patterns(schemas, contracts())
    path = schemas / "patterns" / "card_testing.yaml"
    path.write_text(path.read_text().replace("version: 1.0.0", "version: 1.1.0"))
    assert pin(schemas, contracts()) == ["card_testing@1.1.0"]
    assert "card_testing@1.0.0" in pins.read(schemas / "patterns")
