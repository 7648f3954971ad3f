"""Calls that Schemathesis generates from the API's document, answered as the document says, through a gateway in process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi import checks

from tests.support import events
from tests.support.gateway import METHODS, Gateway
from tests.support.openapi import DOCUMENT
from tests.support.platform import ACME, Platform, platform

CALLS = [
    (method, path)
    for path, operations in DOCUMENT["paths"].items()
    for method in operations
    if method in METHODS
]
# Checks of every answer. Not checked: that an event which is valid by the document alone is accepted (its contract
# decides), nor 405 for other methods (the gateway answers 404).
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


@pytest.fixture(scope="module")
def shared(bundle: Path) -> Iterator[Platform]:
    with platform(bundle, in_memory=True) as running:
        sent = [events.order(), events.transaction(), events.order(payload={"totalAmount": -1})]
        assert running.post(sent)["status"] == 207
        running.settle()
        yield running


@pytest.fixture(scope="module")
def api(shared: Platform) -> Any:
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.app = Gateway(DOCUMENT, shared.functions, remembers=True)
    return schema


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_every_call_is_answered_as_the_document_says(
    api: Any, shared: Platform, method: str, path: str
) -> None:
    credential = {"authorization": f"Bearer {shared.keys[ACME]}"}

    @settings(
        max_examples=40,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(api[path][method].as_strategy())
    def call(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(headers=credential, checks=CHECKS)

    call()
