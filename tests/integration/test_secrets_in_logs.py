"""Nothing secret in what functions write: the log lines and metrics of a run through every door, with planted values."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from millrace.access.credentials import PUBLIC_SCOPE, create_api_key
from millrace.core.log import logger
from millrace.core.table import Table
from tests.infrastructure.test_baseline import SECRETS
from tests.support import events
from tests.support.platform import ACME, Platform


def is_json(line: str) -> bool:
    """Whether it is a line of a function."""
    return line.startswith("{")


EMAIL, CARD = "planted.person@example.org", "4929 1234 5678 9012"


@pytest.fixture
def running(running: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """Every function writes all that it ever would."""
    running.restart_all()
    # A copy reads it at its first call.
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    # Loggers that another test has made write to where that test looked; and those of this test are no other's.
    logger.cache_clear()
    for stem in running.functions:
        monkeypatch.delitem(logging.root.manager.loggerDict, stem, raising=False)
    yield running
    logger.cache_clear()


def test_no_key_and_no_personal_value_is_in_a_log_line(
    running: Platform, capfd: pytest.CaptureFixture[str]
) -> None:
    metadata = Table(running.dynamodb, "Metadata")
    public = create_api_key(metadata, org=ACME, name="web", scopes=[PUBLIC_SCOPE])
    secrets = [*running.keys.values(), public]
    planted = {"email": EMAIL, "note": CARD}
    running.post([events.order(payload=planted), events.order(payload={"totalAmount": -1, **planted})])
    running.post(b"not json " + EMAIL.encode())
    body: dict[str, Any] = {"writeKey": public, "events": [events.order(payload=planted)]}
    call = {
        "routeKey": "POST /v1/collect",
        "headers": {},
        "requestContext": {"requestId": "r"},
        "body": json.dumps(body),
    }
    assert running.functions["collect"](call, None)["statusCode"] == 202
    for key in (*secrets, "mk_" + "x" * 43):
        header = {"authorization": f"Bearer {key}"}
        running.functions["authorize"]({"headers": header, "routeKey": "GET /v1/events"}, None)
    running.get("/v1/events", query={"userId": EMAIL}, scopes="")
    running.get("/v1/events", query={"userId": EMAIL})
    running.get("/v1/audit")
    running.settle()
    running.call("/v1/quarantine/replay", {"filter": {"all": True}, "patch": []})
    said = capfd.readouterr()
    written = said.out + said.err
    # The run did write: without that nothing would be shown.
    functions = {one.get("service") for one in map(json.loads, filter(is_json, written.splitlines()))}
    assert {"post_events", "collect", "authorize", "read_api", "archive_events"} <= functions
    for secret in (*secrets, EMAIL, CARD, *(key[-12:] for key in secrets)):
        assert secret not in written
    for what, pattern in SECRETS.items():
        assert pattern.search(written) is None, what
