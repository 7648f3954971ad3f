"""What `schemas/webhooks/` may say: a wrong mapping is a sentence with its place, and samples hold it to what it says."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from millrace.compiler.event_contracts import compile_contracts
from millrace.compiler.places import located
from millrace.compiler.webhooks import compile_webhooks
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError

SCHEMAS = Path(__file__).parents[3] / "schemas"
CHANGED = {
    "provider": {"const": "shop"},
    "recordType": {"const": "deal"},
    "recordId": {"path": "id", "as": "text"},
    "change": {"const": "created"},
    "changedAt": {"path": "at", "as": "seconds"},
}
MAPPING: dict[str, Any] = {
    "name": "shop",
    "description": "A shop.",
    "id": "id",
    "kind": "kind",
    "timestamp": {"path": "at", "as": "seconds"},
    "keep": ["id"],
    "events": {"made": [{"type": "crm.record_changed", "payload": CHANGED}]},
}
MADE = {
    "eventSource": "shop",
    "timestamp": "2026-09-21T14:13:20.000Z",
    "eventType": "crm.record_changed",
    "data": {
        "payload": {
            "provider": "shop",
            "recordType": "deal",
            "recordId": "7",
            "change": "created",
            "changedAt": "2026-09-21T14:13:20.000Z",
        }
    },
}
OTHER = {
    "eventSource": "shop",
    "timestamp": "2026-09-21T14:13:20.000Z",
    "eventType": "integration.webhook.received",
    "data": {"payload": {"webhookId": "sample", "source": "shop", "payload": {"id": 8}}},
}
SAMPLES = [
    {"message": {"id": 7, "kind": "made", "at": 1790000000}, "event": MADE},
    {"message": {"id": 8, "kind": "gone", "at": 1790000000, "name": "Vera"}, "event": OTHER},
]


@pytest.fixture(scope="module")
def shipped() -> list[Contract]:
    return compile_contracts(SCHEMAS)


def compiled(tmp_path: Path, contracts: list[Contract], mapping: Any, samples: Any = SAMPLES) -> Any:
    folder = tmp_path / "schemas" / "webhooks"
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    (folder / "shop.yaml").write_text(yaml.safe_dump(mapping, sort_keys=False))
    (folder / "samples" / "shop.json").write_text(json.dumps(samples))
    return compile_webhooks(tmp_path / "schemas", contracts)


def lines(tmp_path: Path, contracts: list[Contract], mapping: Any, samples: Any = SAMPLES) -> list[str]:
    with pytest.raises(ContractError) as refused:
        compiled(tmp_path, contracts, mapping, samples)
    return located(refused.value, tmp_path)


def with_rule(**changed: Any) -> dict[str, Any]:
    rule = {"type": "crm.record_changed", "payload": CHANGED, **changed}
    return {**MAPPING, "events": {"made": [rule]}}


def test_a_mapping_with_its_samples_compiles(tmp_path: Path, shipped: list[Contract]) -> None:
    (found,) = compiled(tmp_path, shipped, MAPPING)
    assert found["name"] == "shop"


WRONG = {
    "a type misspelt": (
        with_rule(type="crm.record_change"),
        "crm.record_change is not a type that a client may send; did you mean crm.record_changed?",
    ),
    "a field misspelt": (
        with_rule(payload={**CHANGED, "recordID": "id"}),
        "crm.record_changed has no field recordID; did you mean recordId?",
    ),
    "a field that is needed": (
        with_rule(payload={name: made for name, made in CHANGED.items() if name != "change"}),
        "crm.record_changed needs change, which nothing is mapped to",
    ),
    "a path and a const": (
        with_rule(payload={**CHANGED, "provider": {"path": "a", "const": "b"}}),
        "a value has a path or is a const, one of the two",
    ),
    "a conversion misspelt": (
        with_rule(payload={**CHANGED, "recordId": {"path": "id", "as": "txt"}}),
        '"txt" is none of text',
    ),
    "a path that is none": (with_rule(correlationId="$.id"), "/correlationId"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_mapping_is_told_with_its_line(case: str, tmp_path: Path, shipped: list[Contract]) -> None:
    mapping, wanted = WRONG[case]
    found = lines(tmp_path, shipped, mapping)
    assert any(line.startswith("schemas/webhooks/shop.yaml:") and wanted in line for line in found), found


def test_a_rule_that_can_never_apply_is_refused(tmp_path: Path, shipped: list[Contract]) -> None:
    rule = {"type": "crm.record_changed", "payload": CHANGED}
    found = lines(tmp_path, shipped, {**MAPPING, "events": {"made": [rule, {**rule, "when": {"a": 1}}]}})
    assert any("those behind it never apply" in line for line in found)


def test_samples_hold_the_mapping(tmp_path: Path, shipped: list[Contract]) -> None:
    changed = [{**SAMPLES[0], "event": {**MADE, "eventSource": "other"}}, SAMPLES[1]]
    assert any("it becomes" in line for line in lines(tmp_path, shipped, MAPPING, changed))
    assert any("no sample is a made" in line for line in lines(tmp_path, shipped, MAPPING, SAMPLES[1:]))
    assert any("a kind without a rule" in line for line in lines(tmp_path, shipped, MAPPING, SAMPLES[:1]))
    bad = json.loads(
        json.dumps(SAMPLES).replace("1790000000", '"soon"').replace("2026-09-21T14:13:20.000Z", "soon")
    )
    assert any("its contract refuses /data" in line for line in lines(tmp_path, shipped, MAPPING, bad))
