"""Ajv's verdict on events, with formats and without, beside intake's and that of Python's jsonschema."""

import json
from collections import Counter
from pathlib import Path

import jsonschema
import pytest

from millrace.compiler.exports import json_schema
from millrace.contracts.validator import Validator
from tests.contract.test_published_forms import by_schema
from tests.interop.clients.environments import run_node
from tests.support import mutated_events
from tests.support.contracts import FILES, compiled

pytestmark = [pytest.mark.interop, pytest.mark.timeout(900)]
PER_FAMILY = 5000
LARGEST = 2**53


def test_every_validator_gives_the_verdict_of_intake(tmp_path: Path) -> None:
    families = Counter(path.parent.parent for path in FILES)
    sent = [
        (compiled(path), event)
        for path in FILES
        for event in mutated_events.events(path, PER_FAMILY // families[path.parent.parent])
    ]
    schemas = {made.name: json_schema.export(made) for made, _ in sent}
    (tmp_path / "schemas.json").write_text(json.dumps(schemas))
    lines = (json.dumps({"contract": made.name, "event": event}) for made, event in sent)
    (tmp_path / "events.ndjson").write_text("\n".join(lines))
    theirs = run_node(
        "validators", SCHEMAS=str(tmp_path / "schemas.json"), EVENTS=str(tmp_path / "events.ndjson")
    )
    by_name = {compiled(path).name: Validator(compiled(path)) for path in FILES}
    python = {name: jsonschema.Draft202012Validator(schema) for name, schema in schemas.items()}
    different = []
    for (made, event), ajv in zip(sent, theirs, strict=True):
        verdict, found = by_schema(by_name[made.name], event), {*ajv, python[made.name].is_valid(event)}
        if found != {verdict is not False} and not _has_long(event):
            different.append((made.name, event, verdict, ajv))
    assert different == []


def _has_long(value: object) -> bool:
    """Whether it holds an integer that JavaScript reads as another one."""
    if isinstance(value, dict):
        return any(map(_has_long, value.values()))
    return (
        any(map(_has_long, value))
        if isinstance(value, list)
        else isinstance(value, int) and abs(value) > LARGEST
    )
