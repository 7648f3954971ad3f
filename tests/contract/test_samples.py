"""Every contract takes its golden samples and refuses its broken ones, for the reason they state."""

from pathlib import Path

import jsonschema
import orjson
import pytest

from millrace.compiler import samples
from millrace.compiler.exports import json_schema
from millrace.contracts.contract import Contract
from millrace.contracts.validator import Validator
from tests.support.contracts import FILES, compiled, named, second_opinion

BROKEN = [(path, case) for path in FILES for case in samples.broken(path)]
# Codes of the interface and the keywords of JSON Schema behind them.
KEYWORDS = {
    "missing": {"required"},
    "unknown_field": {"additionalProperties"},
    "type": {"type"},
    "minimum": {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"},
    "maximum": {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"},
    "pattern": {"pattern"},
    # The step of decimals stands in a $comment, which tests/support reads as what it says.
    "format": {"pattern", "format", "$comment"},
    "enum": {"enum", "const"},
    "rule": {"uniqueItems"},
}
# Lost contracts would be no failure of any other test here: a slip of a glob must be seen.
LEAST = 25


def test_there_are_contracts() -> None:
    assert len(FILES) >= LEAST


@pytest.mark.parametrize("path", FILES, ids=named)
def test_golden_samples_are_taken(path: Path) -> None:
    contract = compiled(path)
    for event in samples.golden(path):
        assert Validator(contract).errors(event) == []
        assert second_opinion(contract, event) == set()
        assert event["eventType"] == contract.event_type


@pytest.mark.parametrize("path", FILES, ids=named)
def test_the_first_golden_sample_shows_every_field(path: Path) -> None:
    """It is the example of the docs, the base of the patches and the content of the dictionary."""
    contract = compiled(path)
    data = samples.golden(path)[0]["data"]
    for part in ("payload", "metadata"):
        declared = set(contract.data_schema["properties"][part].get("properties", {}))
        assert declared <= set(data.get(part, {})), f"{part} of {named(path)}"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_there_are_several_broken_samples(path: Path) -> None:
    cases = samples.broken(path)
    assert len(cases) >= 3
    assert len({case.name for case in cases}) == len(cases)
    assert len({error for case in cases for error in case.errors}) >= 3


@pytest.mark.parametrize(
    ("path", "case"), BROKEN, ids=[f"{named(path)}: {case.name}" for path, case in BROKEN]
)
def test_broken_samples_are_refused_for_their_reason(path: Path, case: samples.Broken) -> None:
    contract = compiled(path)
    errors = Validator(contract).errors(case.event)
    assert tuple((error.pointer, error.code) for error in errors) == case.errors
    for error in errors:
        assert 0 < len(error.message) <= 80
        assert error.message.isprintable()


@pytest.mark.parametrize(
    ("path", "case"), BROKEN, ids=[f"{named(path)}: {case.name}" for path, case in BROKEN]
)
def test_the_exported_schema_refuses_them_the_same_way(path: Path, case: samples.Broken) -> None:
    found = second_opinion(compiled(path), case.event)
    # JSON Schema knows one rule, that no item comes twice; the cross-field ones are ours alone.
    unique = {pointer for pointer, keyword in found if keyword == "uniqueItems"}
    by_schema = [(pointer, code) for pointer, code in case.errors if code != "rule" or pointer in unique]
    assert {pointer for pointer, _ in found} == {pointer for pointer, _ in by_schema}
    for pointer, code in by_schema:
        keywords = {keyword for place, keyword in found if place == pointer}
        assert keywords & KEYWORDS[code], f"{pointer}: {code} is not among {keywords}"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_the_exported_schema_is_json_schema(path: Path) -> None:
    schema = json_schema.export(compiled(path))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert orjson.loads(orjson.dumps(schema)) == schema


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_contract_survives_the_bundle(path: Path) -> None:
    contract = compiled(path)
    assert Contract.from_json(orjson.loads(orjson.dumps(contract.to_json()))) == contract
